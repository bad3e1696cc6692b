# What import refuses leaves nothing behind.
lodestone import nowhere -o a.lode || echo "exit $?"
printf 'user_id,item_id\n1,2\n' >log.csv
lodestone import log.csv -o a.lode --set memry=3 || echo "exit $?"
lodestone import log.csv -o a.lode --format xls || echo "exit $?"
lodestone import log.csv -o missing/folder/a.lode || echo "exit $?"
: >empty.csv
lodestone import empty.csv -o a.lode || echo "exit $?"
ls
