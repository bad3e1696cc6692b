# A file that is none of ours, one that is cut, one that is not there.
lodestone info "$0" || echo "exit $?"
head -c 3000 "$SHOP/shop.lode" >cut.lode
lodestone info cut.lode || echo "exit $?"
lodestone info nowhere.lode || echo "exit $?"
