#!/bin/sh
# Install the Debian packages of the named groups (build, check, style, ci) that are missing.
# Does nothing, at once, when everything is there. Each line of `needs`: group, Debian package, how to see it.
set -eu

needs() {
    cat <<'LIST'
build gcc               command -v gcc
build libc6-dev         test -e /usr/include/stdio.h
build make              command -v make
build pkg-config        command -v pkg-config
build libyaml-dev       pkg-config --exists yaml-0.1
build libjansson-dev    pkg-config --exists jansson
build libzstd-dev       pkg-config --exists libzstd
build libxxhash-dev     pkg-config --exists libxxhash
build zlib1g-dev        pkg-config --exists zlib
check libcmocka-dev     pkg-config --exists cmocka
check python3           test -x /usr/bin/python3
style binutils          command -v nm
style clang             command -v clang
style clang-format-14   command -v clang-format-14
style g++               command -v g++
style git               command -v git
LIST
}

[ $# -gt 0 ] || set -- build check
missing=$(needs | while read -r group package probe; do
    case " $* " in *" $group "*) $probe >/dev/null 2>&1 || printf '%s ' "$package" ;; esac
done)
missing=${missing% }
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing: $missing (Debian names); install them with this system's package manager" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root="env DEBIAN_FRONTEND=noninteractive"
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root="sudo env DEBIAN_FRONTEND=noninteractive"
else
    echo "missing packages; as root, run:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends $missing" >&2
    exit 1
fi

echo "installing: $missing" >&2
install="$as_root apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing"
$install >/dev/null 2>&1 </dev/null || { $as_root apt-get update -qq >&2 </dev/null && $install >&2 </dev/null; }
