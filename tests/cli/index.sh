# The index of a bundle: by measurement, of a kind, used by recommend; refused where it is of no use.
cp -r "$SHOP/run" run
lodestone recommend -q run --sample 3 -k 5 --index || echo "exit $?"
lodestone index -q run --json >by_choice
grep -c '"chosen": true' by_choice
# whichever was fastest on this machine: the report and the trial that was chosen name the same kind
python3 - <<'PY'
import json
report = json.load(open("by_choice"))
print([t["index"] for t in report["tried"] if t["chosen"]] == [report["index"]])
PY
lodestone recommend -q run --sample 3 -k 5 >exact
lodestone recommend -q run --sample 3 -k 5 --index >indexed
cmp exact indexed && echo same
for type in exact scan ivf graph; do
    lodestone index -q run --type "$type" --recall 1 | tail -1 | awk '{print $1, $3, $6}'
    lodestone recommend -q run --sample 3 -k 5 --index | cmp exact - && echo same
done
ls run/index
lodestone index -q run --type tree || echo "exit $?"
lodestone index -q run --recall 1.5 || echo "exit $?"
lodestone index -q nowhere || echo "exit $?"
printf 'xxxx' | dd of=run/index/items.index bs=1 seek=9000 conv=notrunc 2>/dev/null # in the middle of the vectors
lodestone recommend -q run --sample 3 -k 5 --index || echo "exit $?"
lodestone train -q --data "$SHOP/shop.lode" -o smaller --set train.epochs=1 --set model.dim=8 \
    --set 'fields.item=[id]' >trained
lodestone index -q smaller >chosen
cp smaller/index/items.index run/index/items.index # of another model
lodestone recommend -q run --sample 3 -k 5 --index || echo "exit $?"
lodestone train -q --data "$SHOP/shop.lode" -o other_seed --set train.epochs=1 --set train.batch=256 \
    --set model.dim=16 >trained
lodestone index -q other_seed >chosen
cp other_seed/index/items.index run/index/items.index # of the same shape
lodestone recommend -q run --sample 3 -k 5 --index || echo "exit $?"
printf x >run/index/items.index
lodestone recommend -q run --sample 3 -k 5 --index || echo "exit $?"
