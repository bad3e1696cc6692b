# What bench refuses before it measures anything.
lodestone bench -q --only nosuch || echo "exit $?"
lodestone bench -q --threads many || echo "exit $?"
lodestone bench -q --threads 1000 || echo "exit $?"
lodestone bench -q all || echo "exit $?"
