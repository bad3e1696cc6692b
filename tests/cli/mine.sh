# What is mined, for people, as JSON and as lines; the second time from the cache; configurations choose the split.
lodestone mine -q --data "$SHOP/shop.lode" --cache cache -k 3 --show i1 | grep -v 'seconds\|memory\|peak\|size' >shown
grep '^miner ' shown
grep -c '^i1  ' shown
lodestone mine -q --data "$SHOP/shop.lode" --cache cache -k 3 --json --sample 2 -o pairs.tsv | /usr/bin/python3 -c '
import json, sys
r, = json.load(sys.stdin)["miners"]
rows = [line.rstrip("\n").split("\t") for line in open("pairs.tsv")]
print(r["cached"], r["covered"] > 0, r["pairs"] == len(rows), len(r["shown"]), {len(row) for row in rows})
shown = r["shown"][0]
print([(shown["item"], p["item"], str(p["sessions"])) in {tuple(row) for row in rows} for p in shown["partners"]][0])'
lodestone mine -q --data "$SHOP/shop.lode" --cache cache -k 3 --set data.split.type=chronological --json | grep cached
lodestone mine -q --data "$SHOP/shop.lode" --cache none --miner taxonomy --set column=category --json | grep -c '"groups"'
# several, one after the other: each takes the keys that it has, and all tell about the same items
lodestone mine -q --data "$SHOP/shop.lode" --cache none --miner sessions --miner titles -k 3 --set dim=64 --set window=30m --show i1 --sample 2 \
    --json | /usr/bin/python3 -c '
import json, sys
r = json.load(sys.stdin)
print([m["miner"] for m in r["miners"]], sorted(k for k in r if k != "miners"))
a, b = ([shown["item"] for shown in m["shown"]] for m in r["miners"])
print(a == b, a[0], len(a), [sorted(m["shown"][0]["partners"][0])[2:4] for m in r["miners"]])
print([len(m["shown"][0]["partners"]) for m in r["miners"]])'
lodestone mine -q --data "$SHOP/shop.lode" --cache none --miner titles --miner sessions -k 2 --show i1 | grep '^miner\|^i1\|similarity\|sessions  '
# what a configuration's objectives ask, each under its name
cat >tasks.yaml <<'EOF'
objectives: [{type: in_batch}, {type: micrec.semantic, k: 4}, {type: micrec.session, k: 3, miner: {min_count: 2}}]
mine: {cache: none}
EOF
lodestone mine -q -c tasks.yaml --data "$SHOP/shop.lode" --cache none --show i1 | grep '^miner\|^label\|^i1'
lodestone mine -q -c tasks.yaml --data "$SHOP/shop.lode" --cache none --json --show i1 | /usr/bin/python3 -c '
import json, sys
print([len(m["shown"][0]["partners"]) for m in json.load(sys.stdin)["miners"]])'
lodestone mine -q -c tasks.yaml --data "$SHOP/shop.lode" --cache none -k 3 2>&1 || echo "exit $?"
ls cache | sed 's/-.*\././'
