# The report of info as JSON, with the members that scripts rely on; and as a table.
lodestone info "$SHOP/shop.lode" --json |
    /usr/bin/python3 -c 'import json, sys; r = json.load(sys.stdin); print(*(type(r[k]).__name__ for k in ("users", "items", "interactions", "catalogue")))'
lodestone info "$SHOP/shop.lode" | head -4
