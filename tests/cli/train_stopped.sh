# A signal stops training cleanly; --resume goes on to the end.
lodestone train -q --data "$SHOP/shop.lode" -o run --set train.epochs=100000 --set eval.patience=0 --set model.dim=8 &
sleep 2
kill -INT $! || true
wait $! || echo "exit $?"
lodestone train -q --resume --data "$SHOP/shop.lode" -o run --set train.epochs=3 || echo "exit $?"
test -s run/config.yaml
