# Keys of the configuration and of a tower; an unknown topic is wrong usage.
lodestone help config | grep learning_rate
lodestone help tower ican | grep heads
lodestone help objective sampled_softmax | grep count
lodestone help towre ican || echo "exit $?"
