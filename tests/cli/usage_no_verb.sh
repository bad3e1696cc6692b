# The program alone says what to do.
# exit 2
lodestone
