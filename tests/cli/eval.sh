# A table with one row a ranker; the JSON that scripts rely on.
lodestone eval -q "$SHOP/run" --cutoffs 10,20
lodestone eval -q "$SHOP/run" --cutoffs 50 --json | /usr/bin/python3 -c '
import json, sys
report = json.load(sys.stdin)
print(report["protocol"], *sorted(report["rows"]), 0 <= report["rows"]["model"]["hit@50"] <= 1)'
lodestone eval -q "$SHOP/run" --protocol nosuch || echo "exit $?"
lodestone eval -q nowhere || echo "exit $?"
# What is not defined under full ranking is said once; impressions account for every place in a list.
lodestone eval -q "$SHOP/run" --cutoffs 10 --set 'metrics=[map_hits, auc, auc_user]' --no-baselines
lodestone eval -q "$SHOP/run" --cutoffs 5 --json | /usr/bin/python3 -c '
import json, sys
report = json.load(sys.stdin)
table = report["impressions"]
print(table["cutoff"], table["edges"][:4], sum(table["items"]))
print(*(sum(slots) == 5 * report["cases"] for slots in table["rows"].values()))'
lodestone eval -q "$SHOP/run" --set 'metrics=[hits]' || echo "exit $?"
lodestone eval -q "$SHOP/run" --set category=nosuch || echo "exit $?"
# One run under several named definitions.
lodestone eval -q "$SHOP/run" --cutoffs 10 --set 'metrics=hit' --no-baselines --definitions implicit,bert4rec
lodestone eval -q "$SHOP/run" --cutoffs 10 --definitions all --json | /usr/bin/python3 -c '
import json, sys
also = {table["definitions"]: table["rows"]["model"] for table in json.load(sys.stdin)["also"]}
print(len(also), also["tzrec"]["hitrate@10"] == also["recbole"]["recall@10"] <= also["mic"]["hr@10"])'
lodestone eval -q "$SHOP/run" --definitions recbol || echo "exit $?"
lodestone help definitions | grep PAD
# Alignment and uniformity stand in the model's row alone, the same at any number of threads.
for threads in 1 2; do
    lodestone eval -q "$SHOP/run" --cutoffs 10 --set 'metrics=[alignment, uniformity_users, uniformity_items]' --set threads=$threads --json | /usr/bin/python3 -c '
import json, sys
print(json.dumps({key: value for key, value in json.load(sys.stdin).items() if not key.endswith("_bytes")}))' >geometry.$threads
done
cmp geometry.1 geometry.2
/usr/bin/python3 -c '
import json
rows = json.load(open("geometry.1"))["rows"]
model = rows.pop("model")
print(sorted(model), 0 < model["alignment"] < 4, -8 < model["uniformity_items"] < 0, not any(rows.values()))'
