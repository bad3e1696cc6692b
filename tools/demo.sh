#!/bin/sh
# The demo: a made-up shop becomes a data set, a model, a table of metrics and a list of candidates.
# Usage: demo.sh LODESTONE FOLDER
set -eu
lodestone=$1
folder=$2

rm -rf "$folder"
mkdir -p "$folder"

step() {
    printf '\n\033[1m$ lodestone %s\033[0m\n' "$*" >&2
    "$lodestone" "$@"
}

step synth -o "$folder/shop"
step import "$folder/shop" -o "$folder/shop.lode"
step train --data "$folder/shop.lode" -o "$folder/run"
step eval "$folder/run"
step recommend "$folder/run" --sample 1 -k 10 --titles --show-history --format text
