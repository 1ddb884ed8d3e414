"""`python -m benchmarks frame`: time of a tracked frame beside its peers', and its share of the processor's peak."""
