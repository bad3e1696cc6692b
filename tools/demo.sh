#!/bin/sh
# The demo: a made-up shop becomes a data set, a model, a table of metrics and a list of candidates.
# Usage: demo.sh LODESTONE FOLDER
set -eu
lodestone=$1
folder=$2

rm -rf "$folder"
mkdir -p "$folder"

bold='' plain=''
if [ -t 2 ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

step() {
    printf '\n%s$ lodestone %s%s\n' "$bold" "$*" "$plain" >&2
    "$lodestone" "$@"
}

step synth -o "$folder/shop" --set session=1 --set topic=1 --set bias=0.7
step import "$folder/shop" -o "$folder/shop.lode"
step train --data "$folder/shop.lode" -o "$folder/run" --set train.learning_rate=3e-3
step eval "$folder/run" --cutoffs 10,50 --svg "$folder/eval.svg"
step recommend "$folder/run" --sample 1 -k 10 --titles --show-history --format text
