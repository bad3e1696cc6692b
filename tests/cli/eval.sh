# A table with one row a ranker; the JSON that scripts rely on.
lodestone eval -q "$SHOP/run" --cutoffs 10,20
lodestone eval -q "$SHOP/run" --cutoffs 50 --json | /usr/bin/python3 -c '
import json, sys
report = json.load(sys.stdin)
print(report["protocol"], *sorted(report["rows"]), 0 <= report["rows"]["model"]["hit@50"] <= 1)'
lodestone eval -q "$SHOP/run" --protocol nosuch || echo "exit $?"
lodestone eval -q nowhere || echo "exit $?"
