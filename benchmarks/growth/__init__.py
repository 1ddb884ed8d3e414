"""`python -m benchmarks growth`: how time and memory grow with frames, objects, image size and tokens."""
