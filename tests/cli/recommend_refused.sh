# Requests that cannot be answered.
lodestone recommend -q "$SHOP/run" --user nobody || echo "exit $?"
lodestone recommend -q "$SHOP/run" --users nowhere.txt || echo "exit $?"
printf '["a"]\n{"history": "a"}\n' >lines.jsonl
lodestone recommend -q "$SHOP/run" --histories lines.jsonl || echo "exit $?"
printf '{"histroy": ["a"]}\n' | lodestone recommend -q "$SHOP/run" --histories - || echo "exit $?"
printf '[1,\n' | lodestone recommend -q "$SHOP/run" --histories - || echo "exit $?"
printf '{"history": ["a"], "times": [1, 2]}\n' | lodestone recommend -q "$SHOP/run" --histories - || echo "exit $?"
printf '{"history": ["a"], "times": ["1"]}\n' | lodestone recommend -q "$SHOP/run" --histories - || echo "exit $?"
printf '{"history": ["a"], "times": [1], "now": -1}\n' | lodestone recommend -q "$SHOP/run" --histories - || echo "exit $?"
printf '{"history": ["a"], "now": "today"}\n' | lodestone recommend -q "$SHOP/run" --histories - || echo "exit $?"
lodestone recommend -q nowhere --history a || echo "exit $?"
