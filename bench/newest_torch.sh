#!/bin/sh
# newest_torch.sh [FOLDER]: the newest PyTorch from PyPI in an environment of its own, as a peer of `make bench-versus`.
#
# Default folder: build/newest-torch, which the harness looks into (NEWEST_TORCH=PYTHON names another). The download is
# 2 to 3 GB with its CUDA libraries, which PyPI's build wants to load even where there is no GPU. Where it cannot be
# had within 15 minutes, the script says so in one line that begins with "skipped", and ends with status 77.
set -u
folder=${1:-$(dirname "$0")/../build/newest-torch}
free=$(df -Pk "$(dirname "$0")" | awk 'NR == 2 { print int($4 / 1048576) }')

skip() {
    echo "skipped newest-torch $1"
    exit 77
}
works() {
    "$folder/bin/python" -c 'import torch, numpy; print("newest PyTorch:", torch.__version__)' 2>"$folder.log"
}

[ -x "$folder/bin/python" ] && works && exit 0
[ "$free" -ge 12 ] || skip "needs 12 GB of disk, $free are free"
mkdir -p "$(dirname "$folder")"
/usr/bin/python3 -m venv "$folder" >"$folder.log" 2>&1 || skip "python3 -m venv failed (Debian: python3-venv)"
timeout 900 "$folder/bin/pip" install --no-cache-dir torch numpy >"$folder.log" 2>&1 ||
    skip "pip could not install it: $(tail -1 "$folder.log")"
works || skip "it does not load: $(tail -1 "$folder.log")"
