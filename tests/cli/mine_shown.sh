# What is told of items, to the letter: partners with titles and what they share, groups, items of which nothing was found,
# lines for programs. Eight items, four users whose last two clicks are no training.
mkdir shop
{
    printf 'user_id:token\titem_id:token\ttimestamp:float\n'
    at=1500000000
    for click in u1:a u1:b u1:c u1:d u1:g u2:a u2:b u2:c u2:f u3:b u3:e u3:a u3:c u4:d u4:a u4:b; do
        printf '%s\t%s\t%d\n' "${click%:*}" "${click#*:}" $at
        at=$((at + 60))
    done
} >shop/shop.inter
{
    printf 'item_id:token\titem_name:token_seq\tkinds:token_seq\tbrand:token\tcontent:float_seq\n'
    printf 'a\tred bowl\tx y\tp\t1 0\n'
    printf 'b\tred bowls\tx y w\tp\t2 1\n'
    printf 'c\tbl\033ue chair\ty z\tq\t0 3\n'
    printf 'd\t\t\t\t\n'
    printf 'e\tblue lamp\tx z\tq\t3 1\n'
    printf 'f\tblue lamps\tx\tr\t1 1\n'
    printf 'g\tno word of it\tv 2 3 4 5 6 7 8 9\tr\t\n'
} >shop/shop.item
lodestone import -q shop -o shop.lode >/dev/null
tell() { lodestone mine -q --data shop.lode --cache none "$@" | grep -v '^seconds\|^memory\|^peak\|^membership'; }
tell --miner sessions --show b --show d
tell --miner titles --set items=catalogue --set min_similarity=0.2 --show e
tell --miner vectors --show a --show c --set shown=1
tell --miner taxonomy --set column=kinds --show b --show g
tell --miner taxonomy --set column=brand --show a --set shown=1 --set items=catalogue
tell --miner taxonomy --set column=kinds --show a --set shown=1
# 4 bytes a pair and 8 an item and one more; with the clicks of validation
lodestone mine -q --data shop.lode --cache none --json | grep '"size_bytes"\|"train_clicks"'
lodestone mine -q --data shop.lode --cache none --json --set data.split.refit=true | grep '"train_clicks"\|"pairs"'
# those of which there is something, whatever is asked
lodestone mine -q --data shop.lode --cache none --miner vectors --sample 100 --json >sample.json
/usr/bin/python3 -c '
import json
r = json.load(open("sample.json"))["miners"][0]
print(sorted(s["item"] for s in r["shown"]), r["covered"], r["pairs"], r["mean_list"])'
# a filter that knows nearly everything, walks that little memory takes, and lines
lodestone mine -q --data shop.lode --cache none --set membership=4 --memory 64K -o pairs.tsv --json | grep '"kind"\|"pairs"\|"size_bytes"\|"passes"\|"false_rate"'
cat pairs.tsv
lodestone mine -q --data shop.lode --cache none --miner vectors --set k=1 -o pairs.tsv >/dev/null
cat pairs.tsv
lodestone mine -q --data shop.lode --cache none --miner taxonomy --set column=kinds -o pairs.tsv >/dev/null
cat pairs.tsv
# tokens with tabs and backslashes
printf 'user_id,item_id,timestamp\n1,"x\ty",1500000000\n1,a\\b,1500000001\n1,c,1500000002\n1,d,1500000003\n' >odd.csv
lodestone import -q odd.csv -o odd.lode >/dev/null
lodestone mine -q --data odd.lode --cache none -o pairs.tsv >/dev/null
cat pairs.tsv
# what little memory and more threads cost: walks, and memory a thread
for items in 300 1100; do
    printf 'user_id,item_id,timestamp\n' >long.csv
    seq $items | awk '{ print "u,i" $1 "," 1500000000 + $1 }' >>long.csv
    lodestone import -q long.csv -o long-$items.lode >/dev/null
done
for how in "64K 1" "1G 1" "1G 3"; do
    lodestone mine -q --data long-300.lode --cache none --json --memory "${how% *}" --threads "${how#* }"
done | grep '"passes"\|"memory_bytes"' | tr -d ' ,' | paste -s -d ' ' | tee walks >/dev/null
/usr/bin/python3 -c '
numbers = [int(word.split(":")[1]) for word in open("walks").read().split()]
print(numbers[1] > 1, numbers[3] == numbers[5] == 1, numbers[4] - numbers[2], "bytes for two threads more")'
lodestone mine -q --data long-1100.lode --cache none --memory 64K --threads 1 2>&1 || echo "exit $?"
# another seed, another sample; values with a dot
for seed in 1 2; do
    lodestone mine -q --data long-300.lode --cache none --sample 5 --set seed=$seed --set window=90.5m --json |
        /usr/bin/python3 -c 'import json, sys; print(*[s["item"] for s in json.load(sys.stdin)["miners"][0]["shown"]])' >sample.$seed
done
cmp -s sample.1 sample.2 || echo others
# an item that is not there, of which a title knows more; more miners than there is room for
for item in lamp ED re x; do
    lodestone mine -q --data shop.lode --cache none --show $item 2>&1 || echo "exit $?"
done
set --
for k in 1 2 3 4 5 6 7 8; do set -- "$@" --miner vectors --miner titles; done
lodestone mine -q --data shop.lode --cache none "$@" | grep -c '^miner '
set -- "$@" --miner taxonomy
lodestone mine -q --data shop.lode --cache none "$@" 2>&1 || echo "exit $?"
