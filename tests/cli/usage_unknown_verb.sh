# An unknown verb names the nearest.
lodestone trian || echo "exit $?"
lodestone frobnicate || echo "exit $?"
