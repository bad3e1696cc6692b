# An experiment that is not there, and one that is wrong.
lodestone experiment nowhere.yaml || echo "exit $?"
printf 'nonsense: 3\n' >e.yaml
lodestone experiment e.yaml || echo "exit $?"
