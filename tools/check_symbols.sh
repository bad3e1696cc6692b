#!/bin/sh
# Check what the libraries show and keep. The .so exports the functions that lodestone.h declares, all of them and
# nothing else; the .a defines only lode_ names; the library has no mutable globals but the kernels' dispatch table.
# Usage: check_symbols.sh BUILD
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
bad=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

gcc -E -P -Iinclude include/lodestone.h |
    tr '\n' ' ' | tr ';' '\n' | grep 'visibility("default")' |
    sed 's/__attribute__ *(([^)]*("[^"]*")))//g; s/__attribute__ *(([a-z_]*))//g' |
    grep -o 'lode_[a-z0-9_]* *(' | tr -d ' (' | sort -u >"$scratch/declared"
nm -D --defined-only "$build/liblodestone.so" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u >"$scratch/exported"
if ! diff -u "$scratch/declared" "$scratch/exported" >"$scratch/diff"; then
    echo "declared in lodestone.h (-) and exported by $build/liblodestone.so (+) differ:"
    grep '^[-+][a-z]' "$scratch/diff"
    bad=1
fi

if nm -g --defined-only "$build/liblodestone.a" | awk 'NF == 3 && $3 !~ /^lode_/ { print "  " $3; n++ } END { exit n > 0 }' >"$scratch/foreign"; then :; else
    echo "names without lode_ in $build/liblodestone.a:"
    cat "$scratch/foreign"
    bad=1
fi

# Data that can be written: d, D (initialised), b, B (zero). Relocated constants live in .data.rel.ro, which nm also
# calls d: the section decides.
objdump -t "$build/liblodestone.a" |
    awk '/^[^ ]*\.o: / { member = $1; sub(/:$/, "", member) }
         / O \.(data|bss|tbss|tdata)[ \t]/ || / O \.(data|bss)\.[a-zA-Z]/ && !/ O \.data\.rel\.ro/ { print member " " $NF }' |
    grep -v '^dispatch\.o ' >"$scratch/mutable"
if [ -s "$scratch/mutable" ]; then
    echo "mutable globals in the library (only src/kernel/dispatch.c, the kernels' table, may have them):"
    sed 's/^/  /' "$scratch/mutable"
    bad=1
fi
exit $bad
