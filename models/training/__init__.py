"""Training: clips and prompts are simulated, the model is unrolled over them, and losses are those of SAM 2."""
