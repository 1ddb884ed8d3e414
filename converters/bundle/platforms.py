"""The platforms that bundles are written for, and what belongs to each."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tinysam2.core.targets import TARGETS

DEPLOYMENT: Mapping[str, Mapping[str, str | int]] = MappingProxyType(
    {"ios": {"ios": "17.0", "macos": "14.0"}, "android": {"min_sdk": 24}}
)
"""Platform -> the oldest systems that its host code is written for."""

HOSTS = Path(__file__).parents[2] / "hosts"
"""The host code, one folder a platform."""


def platforms() -> tuple[str, ...]:
    """Every platform that a target is shipped for, those of targets registered from outside too."""
    return tuple(dict.fromkeys(platform for target in TARGETS.values() for platform in target.shipped_for))


def host_code(platform: str) -> Path | None:
    """The folder of a platform's host code; None where there is none."""
    folder = HOSTS / platform
    return folder if folder.is_dir() else None
