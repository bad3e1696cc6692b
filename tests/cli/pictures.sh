# Pictures of a data set, a run and an evaluation: XML that a parser reads, replaced whole, written by nobody who fails.
lodestone info "$SHOP/shop.lode" --svg data.svg >/dev/null
lodestone info "$SHOP/run" --svg run.svg | head -4
lodestone eval -q "$SHOP/run" --cutoffs 5,20 --svg eval.svg >/dev/null
/usr/bin/python3 - data.svg run.svg eval.svg <<'PYTHON'
import re, sys
import xml.etree.ElementTree as ElementTree
name = "{http://www.w3.org/2000/svg}"
for path in sys.argv[1:]:
    root = ElementTree.parse(path).getroot()
    assert root.tag == name + "svg" and root.get("role") == "img", root.tag
    assert root[0].tag == name + "title" and root[1].tag == name + "desc"
    width, height = map(float, root.get("viewBox").split()[2:])
    for element in root.iter():
        for key, value in element.attrib.items():
            if key in ("x", "x1", "x2", "cx"):
                assert 0 <= float(value) <= width, (path, key, value)
            if key in ("y", "y1", "y2", "cy"):
                assert 0 <= float(value) <= height, (path, key, value)
            assert not re.search(r"\bnan\b|\binf", value), (path, key, value)
    titles = [e.text for e in root.iter(name + "text") if e.get("class") == "t"]
    print(path, root[0].text, *titles, sep=": ")
PYTHON
cp data.svg before.svg
lodestone info "$SHOP/shop.lode" --svg data.svg >/dev/null
cmp data.svg before.svg
lodestone info nowhere.lode --svg data.svg || echo "exit $?"
cmp data.svg before.svg
lodestone info "$SHOP/shop.lode" --svg no/data.svg || echo "exit $?"
lodestone eval -q "$SHOP/run" --svg . || echo "exit $?"
cp "$SHOP/shop.lode" own.lode
lodestone info own.lode --svg own.lode || echo "exit $?"
cmp own.lode "$SHOP/shop.lode"
lodestone info . || echo "exit $?"
ls
