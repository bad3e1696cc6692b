# Every experiment of the project is planned, a small shop standing in for its data sets.
cp -r "$SOURCE/experiments" .
cp "$SHOP/shop.lode" experiments/
for file in experiments/*.yaml; do
    for data in $(sed -n '/^data:/s/[^a-z0-9.-]/ /gp' "$file" | tr ' ' '\n' | grep 'lode$'); do
        ln -sf shop.lode "experiments/$data"
    done
    for truth in $(sed -n '/^data:/s/.*truth: *\([^ ,}]*\).*/\1/p' "$file"); do
        mkdir -p "experiments/$(dirname "$truth")"
        cp "$SHOP/shop/shop.truth.tsv" "experiments/$truth"
    done
    lodestone experiment "$file" -o out --dry-run >plan
    grep -q '^new' plan
done
