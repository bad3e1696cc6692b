# A log through a pipe, with and without tables; a reader that ends first; a full device; what is refused.
lodestone synth -q -o - --users 20 --items 50 --set exposures=0 | sed -n 1p
lodestone synth -q -o - --users 20 --items 50 --tables t | lodestone import -q - -o x.lode | sed -n 1p
ls t
{ lodestone synth -q -o - --users 50000 --tables cut || echo "exit $?" >&2; } | sed -n 1q
ls cut
lodestone synth -q -o /dev/full || echo "exit $?"
lodestone synth -q -o - --json || echo "exit $?"
lodestone synth -q -o shop --tables t || echo "exit $?"
lodestone synth -q -o shop --set interests=2000 || echo "exit $?"
lodestone synth -q -o x.lode || echo "exit $?"
