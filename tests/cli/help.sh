# The overview lists every verb.
lodestone help
lodestone --help | head -1
