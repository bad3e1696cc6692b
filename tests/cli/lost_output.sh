# Results that cannot be written are a failure.
# exit 1
lodestone version >/dev/full
