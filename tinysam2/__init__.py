"""TinySAM 2: track objects through video with a small model and a small memory, on any of its runtimes.

The public names are imported when they are first asked for, so that `import tinysam2` itself costs nothing.
"""

import importlib

_HOMES = {
    "Box": "mobile_runtime.prompts",
    "Point": "mobile_runtime.prompts",
    "Prompt": "mobile_runtime.prompts",
    "TorchBackend": "mobile_runtime.torch_backend",
    "Tracker": "mobile_runtime.tracker",
    "load_artifacts": "mobile_runtime.loading",
    "load_model": "models.checkpoint",
    "open_clip": "mobile_runtime.media.clips",
    "preset": "models.config",
    "target": "models.targets",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'tinysam2' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
