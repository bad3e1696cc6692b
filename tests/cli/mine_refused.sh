# Unknown items, miners, keys, columns, and data that cannot serve them.
lodestone mine || echo "exit $?"
lodestone mine --data nowhere.lode || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --show i1111 || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --miner session || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --set windw=1h || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --set data.split.tpe=x || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --set window || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --memory lots || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --miner taxonomy --set column=categry || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --miner sessions --miner titles --set windw=1h || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --miner sessions --miner titels || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --miner titles --set column=item_nam || echo "exit $?"
lodestone mine --data "$SHOP/shop.lode" --cache none --miner titles --miner sessions -o pairs.tsv || echo "exit $?"
printf 'a b\na c\na d\nb c\nb d\nb a\n' >lines.txt
lodestone import -q lines.txt -o lines.lode --format lines >/dev/null
lodestone mine --data lines.lode || echo "exit $?"
lodestone mine --data lines.lode --miner vectors || echo "exit $?"
lodestone mine --data lines.lode --miner taxonomy || echo "exit $?"
ls
