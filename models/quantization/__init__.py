"""Quantization-aware variants: the float model by a recipe, its scales, training through them, and the frozen form."""
