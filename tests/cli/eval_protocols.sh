# The named protocol alone in `rows`, what is printed beside it in `also`; slices and a file of true items.
lodestone eval -q "$SHOP/run" --protocol sasrec --cutoffs 10 --set 'metrics=[hit]' --set max_users=50
lodestone train -q --data "$SHOP/shop.lode" -o users --set train.epochs=1 --set train.batch=256 --set model.dim=16 \
    --set data.split.type=users
lodestone eval -q users --slice tail,cold-users --cutoffs 10 --json | /usr/bin/python3 -c '
import json, sys
report = json.load(sys.stdin)
print(report["protocol"], *sorted(report["rows"]), [table["slice"] for table in report["also"]])'
printf 'user,item\nnobody,nothing\n' >truth.csv
lodestone eval -q users --truth truth.csv --cutoffs 10 --json | /usr/bin/python3 -c '
import json, sys
table = json.load(sys.stdin)["also"][0]
print(table["truth"], table["cases"], table["unknown_users"])'
lodestone help protocol bert4rec
