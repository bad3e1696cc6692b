# Version, level and compiler; LODE_CPU lowers the level.
lodestone version
LODE_CPU=scalar lodestone --version | grep cpu
