# A log from standard input, packed.
printf 'user_id,item_id,timestamp\na,x,1700000000\na,y,1700000100\nb,x,1700000200\n' | gzip | lodestone import - -o log.lode --format csv --quiet | head -3
lodestone info log.lode | sed -n '1,3p'
