"""TinySAM 2: track objects through video with a small model and a small memory, on any of its runtimes.

The public names are imported when they are first asked for, so that `import tinysam2` itself costs nothing.
"""

import importlib

_HOMES = {
    "Box": "tinysam2.data.prompts",
    "Budget": "tinysam2.validation.memory.budget",
    "Limit": "tinysam2.validation.memory.budget",
    "ModelConfig": "tinysam2.core.config",
    "Point": "tinysam2.data.prompts",
    "Prompt": "tinysam2.data.prompts",
    "Target": "tinysam2.core.targets",
    "TorchBackend": "tinysam2.mobile_runtime.torch_backend",
    "Tracker": "tinysam2.mobile_runtime.tracker",
    "load_artifacts": "tinysam2.mobile_runtime.loading",
    "load_model": "tinysam2.models.weights.checkpoint",
    "open_clip": "tinysam2.data.clips",
    "preset": "tinysam2.core.config",
    "register_preset": "tinysam2.registration",
    "register_target": "tinysam2.core.targets",
    "target": "tinysam2.core.targets",
    "unregister_preset": "tinysam2.registration",
    "unregister_target": "tinysam2.core.targets",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'tinysam2' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
