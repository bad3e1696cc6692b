# One object on standard output; a finished run is left as it is by --resume, which needs no -c.
lodestone train -q --data "$SHOP/shop.lode" -o run --set train.epochs=1 --set model.dim=8 --json >report.json
/usr/bin/python3 - <<'PYTHON'
import json
text = open("report.json").read()
report, end = json.JSONDecoder().raw_decode(text)
assert not text[end:].strip()
print(*sorted(k for k in report if k in ("examples_per_second", "seconds", "best") or k.endswith("_bytes")))
sizes = {k: report[k] for k in report if k.endswith("_bytes")}
elements = sizes["parameter_bytes"]
assert 0 < elements < sizes["optimiser_bytes"] <= 3 * elements, sizes
assert 0 < sizes["data_bytes"] < sizes["peak_rss_bytes"] and sizes["graph_bytes"] > 0, sizes
PYTHON
cksum run/* >before
lodestone train -q --resume --data "$SHOP/shop.lode" -o run --json >/dev/null
cksum run/* | cmp - before
lodestone train --show-config --set train.epochs=7 | grep ' epochs:'
