"""Where an artifact goes wrong: its intermediate values, layer by layer, against the float model's."""
