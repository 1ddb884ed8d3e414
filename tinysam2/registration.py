"""Presets from outside: a model's sizes and its memory budget, registered together."""

from tinysam2.core.config import ModelConfig, register_config, unregister_config
from tinysam2.validation.memory.budget import Budget, register_budget, unregister_budget


def register_preset(config: ModelConfig, budget: Budget) -> None:
    """Adds a preset under `config.name`, which every command then offers; its artifacts are held to `budget`.

    Raises InputError where the name is taken or no file name.
    """
    register_config(config)
    try:
        register_budget(config.name, budget)
    except BaseException:
        unregister_config(config.name)
        raise


def unregister_preset(name: str) -> None:
    """Takes a preset and its budget out again. Raises InputError where there is none of that name."""
    unregister_config(name)
    unregister_budget(name)
