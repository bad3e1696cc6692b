# Vectors as .npy with their ids beside them.
lodestone encode -q "$SHOP/run" --items items.npy --users users.npy >/dev/null
for name in items users; do
    head -c 6 "$name.npy" | tail -c 5
    wc -l <"$name.ids"
done
