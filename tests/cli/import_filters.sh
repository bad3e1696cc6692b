# Filters say what they take; appending says what repeats.
printf 'user,item,time\na,x,1700000000\na,y,1700000100\na,x,1700000200\nb,x,1700000300\nb,y,1700000400\nc,z,1700000500\n' >log.csv
lodestone import log.csv -o x.lode --core 2 --duplicates last | head -5
printf 'user,item,time\nb,y,1700000400\nd,y,1700000600\n' >more.csv
lodestone import more.csv -o x.lode --append | head -5
lodestone import more.csv -o x.lode --append --duplicates exact --json --quiet | grep -A 6 appended
lodestone import more.csv -o x.lode --append --min-count 9 || echo "exit $?"
lodestone import log.csv -o x.lode --duplicates latest || echo "exit $?"
lodestone import log.csv -o x.lode --core two || echo "exit $?"
lodestone info x.lode | sed -n '1,3p'
