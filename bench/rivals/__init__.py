"""The job of `bench.chain`, written with other frameworks. Each runs in an environment of its own (`requirements.txt`):
they ask for other versions of the Kafka client than Tidemill does."""
