# ALS where the catalogue is too large for EASE, and both are named in the report; baselines can be chosen.
lodestone train -q --data "$SHOP/shop.lode" -o als --set train.epochs=0 --set model.dim=8 --set eval.ease_items=10 >trained
lodestone eval -q als --cutoffs 20 --set metrics=hit
lodestone eval -q als --cutoffs 20 --set threads=1 --json | grep -v _bytes >one
lodestone eval -q als --cutoffs 20 --set threads=3 --json | grep -v _bytes >three
cmp one three
lodestone train -q --data "$SHOP/shop.lode" -o some --set train.epochs=0 --set model.dim=8 --set 'eval.baselines=[als, ease, popularity]' >trained
lodestone eval -q some --cutoffs 20 --set metrics=hit
# EASE by name, where it is too large, is refused; so is a name that is none.
lodestone train -q --data "$SHOP/shop.lode" -o large --set train.epochs=0 --set model.dim=8 --set eval.ease_items=10 --set 'eval.baselines=[ease]' >trained
lodestone eval -q large || echo "exit $?"
lodestone train -q --data "$SHOP/shop.lode" -o none --set 'eval.baselines=[populatiry]' || echo "exit $?"
