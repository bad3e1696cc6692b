# Lists for users and histories in every form.
lodestone recommend -q "$SHOP/run" --sample 3 -k 4 >lists.tsv
cut -f 2 lists.tsv | tr '\n' ' '
echo
user=$(head -1 lists.tsv | cut -f 1)
item=$(head -1 lists.tsv | cut -f 3)
printf '%s\nnobody\n' "$user" | lodestone recommend -q "$SHOP/run" --users - -k 4 --skip-unknown >again.tsv
head -4 lists.tsv | cmp - again.tsv
lodestone recommend -q "$SHOP/run" --user "$user" --titles --show-history -k 2 --format jsonl | /usr/bin/python3 -c '
import json, sys
line = json.load(sys.stdin)
seen = {i["item"] for i in line["history"]}
print(len(line["items"]), all("title" in i for i in line["items"]), any(i["item"] in seen for i in line["items"]))'
lodestone recommend -q "$SHOP/run" --history "$item,never-seen" -k 2 | cut -f 1,2
printf '["%s"]\n{"id": "x", "history": ["%s"], "exclude": []}\n' "$item" "$item" | lodestone recommend -q "$SHOP/run" --histories - -k 1 | cut -f 1,2
lodestone recommend -q "$SHOP/run" --user "$user" -k 2 --titles --show-history | sed -n 2p
