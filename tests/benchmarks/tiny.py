"""A model that is built and timed in a moment."""

from tinysam2.core.config import BankConfig, ModelConfig, RepViTConfig

TINY = ModelConfig(
    "tiny",
    64,
    RepViTConfig((8, 16, 24, 32), (1, 1, 1, 1)),
    hidden_dim=32,
    memory_dim=8,
    memory_layers=1,
    memory_feedforward_dim=32,
    decoder_heads=2,
    decoder_feedforward_dim=32,
    mask_embedding_dim=4,
    fuser_expansion=1,
    bank=BankConfig(tokens_per_frame=2),
)
