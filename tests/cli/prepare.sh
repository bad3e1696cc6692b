# What other cases share, in $SHOP: raw files, a data set, a trained bundle.
lodestone synth -q -o "$SHOP/shop" --users 400 --items 120 --seed 3 --set exposures=0
lodestone import -q "$SHOP/shop" -o "$SHOP/shop.lode"
lodestone train -q --data "$SHOP/shop.lode" -o "$SHOP/run" --set train.epochs=2 --set train.batch=256 --set model.dim=16
