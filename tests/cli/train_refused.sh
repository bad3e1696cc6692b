# Configurations, data sets and folders that train refuses.
lodestone train --data "$SHOP/shop.lode" -o run --set train.epoch=3 || echo "exit $?"
lodestone train --data "$SHOP/shop.lode" -o run --set train.epochs=many || echo "exit $?"
lodestone train -c nosuchpreset --data "$SHOP/shop.lode" -o run || echo "exit $?"
printf 'train: {epochs: 1}\nmodle: {dim: 8}\n' >wrong.yaml
lodestone train -c wrong.yaml --data "$SHOP/shop.lode" -o run || echo "exit $?"
lodestone train --data nowhere.lode -o run || echo "exit $?"
lodestone train -q --data "$SHOP/shop.lode" -o "$SHOP/run" || echo "exit $?"
ls
