# Protocols, slices and files of truth that eval refuses, and keys of splits that contradict each other.
lodestone eval -q "$SHOP/run" --protocol micrec || echo "exit $?"
lodestone eval -q "$SHOP/run" --protocol ccl4rec || echo "exit $?"
lodestone eval -q "$SHOP/run" --candidates exposures || echo "exit $?"
lodestone eval -q "$SHOP/run" --candidates some || echo "exit $?"
lodestone eval -q "$SHOP/run" --slice cold-items,cold-user || echo "exit $?"
lodestone eval -q "$SHOP/run" --truth nowhere.tsv || echo "exit $?"
printf 'user\tprice\n1\t2\n' >truth.tsv
lodestone eval -q "$SHOP/run" --truth truth.tsv || echo "exit $?"
train() { lodestone train -q --data "$SHOP/shop.lode" -o run "$@" || echo "exit $?"; }
train --set data.split.test_from=2020-01-01
train --set data.split.type=ratio --set data.split.test=0.6 --set data.split.valid=0.4
train --set data.split.type=users --set data.split.history=1
train --set data.split.type=users --set data.split.of=rows
train --set data.split.type=given
train --set data.split.type=ratio --set data.split.of=rows
train --set data.split.type=users --set eval.protocol=leave_one_out
ls
