# Each verb explains itself, on standard output, with success; `help VERB` is the same.
for verb in synth import info mine train eval encode index recommend experiment bench help version; do
    lodestone "$verb" --help >by_option
    lodestone help "$verb" >by_help
    cmp by_option by_help
    head -1 by_help
done
lodestone help import | grep -- --max-errors
lodestone help import | grep -- 'jsonl  '
