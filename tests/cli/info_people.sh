# info for people: every line fits 100 columns, long names of columns are cut between characters.
lodestone info "$SHOP/shop.lode" >shop.txt
cat shop.txt
mkdir logs
{
    printf 'user_id,item_id,a_context_column_with_a_name_that_is_longer_than_the_\303\251cran_has_any_room_for_it_at_all\n'
    printf 'u1,i1,x\nu2,i1,y\nu2,i2,\n'
} >logs/clicks.csv
lodestone import -q logs/clicks.csv -o x.lode >/dev/null
lodestone info x.lode | tee x.txt
! grep -E '.{101}' shop.txt x.txt
