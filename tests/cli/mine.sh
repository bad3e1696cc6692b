# What is mined, for people, as JSON and as lines; the second time from the cache; configurations choose the split.
lodestone mine -q --data "$SHOP/shop.lode" --cache cache -k 3 --show i1 | grep -v 'seconds\|memory\|peak\|size' >shown
head -1 shown
grep -c '^i1  ' shown
lodestone mine -q --data "$SHOP/shop.lode" --cache cache -k 3 --json --sample 2 -o pairs.tsv | /usr/bin/python3 -c '
import json, sys
r = json.load(sys.stdin)
rows = [line.rstrip("\n").split("\t") for line in open("pairs.tsv")]
print(r["cached"], r["covered"] > 0, r["pairs"] == len(rows), len(r["shown"]), {len(row) for row in rows})
shown = r["shown"][0]
print([(shown["item"], p["item"], str(p["sessions"])) in {tuple(row) for row in rows} for p in shown["partners"]][0])'
lodestone mine -q --data "$SHOP/shop.lode" --cache cache -k 3 --set data.split.type=chronological --json | grep cached
lodestone mine -q --data "$SHOP/shop.lode" --cache none --miner taxonomy --set column=category --json | grep -c '"groups"'
ls cache | sed 's/-.*\././'
