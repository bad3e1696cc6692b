#!/bin/sh
# Check that every header compiles alone, as C11 with the strict warnings; the public one also as C++17.
# Headers of files that are compiled twice (they ask for LODE_REAL_BITS) are tried with both widths. Files called
# *.inc or body_*.h are pieces of the file that includes them and stand for nothing alone.
set -u
cd "$(dirname "$0")/.."
bad=0
flags="-D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wundef -Werror -Iinclude -Isrc"

alone() { # header
    printf '#include "%s"\ntypedef int not_empty;\n' "$1" >"$scratch/alone.$suffix"
    # shellcheck disable=SC2086
    "$compiler" -fsyntax-only $standard $flags $extra "$scratch/alone.$suffix" >"$scratch/messages" 2>&1 || {
        echo "$1 does not compile alone ($compiler $standard $extra)"
        head -5 "$scratch/messages"
        bad=1
    }
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
flags="$flags $(pkg-config --cflags yaml-0.1 jansson libzstd libxxhash zlib 2>/dev/null)"
for compiler in gcc clang; do
    command -v "$compiler" >/dev/null 2>&1 || continue
    suffix=c standard=-std=c11
    for header in lodestone.h $(cd src && find . -name '*.h' ! -name 'body_*' | sed 's|^\./||' | sort); do
        extra=
        if [ "$header" != lodestone.h ] && $compiler -E $flags "src/$header" 2>&1 | grep -q 'error.*LODE_REAL_BITS'; then
            extra=-DLODE_REAL_BITS=32
            alone "$header"
            extra=-DLODE_REAL_BITS=64
        fi
        alone "$header"
    done
    suffix=cc standard=-std=c++17 extra=
    alone lodestone.h
done
exit $bad
