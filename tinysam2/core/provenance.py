"""What a result was computed with: versions of packages, and the code itself, for keys of the cache."""

import functools
import hashlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

from tinysam2.core.files import sha256_of


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Distribution -> version of installed packages and of all that they require."""
    found: dict[str, str] = {}
    waiting = list(packages)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version
        required = (line for line in distribution.requires or () if "extra ==" not in line)
        waiting += (re.match(r"[\w.-]+", line)[0] for line in required)  # type: ignore[index]  # a name comes first
    return found


@functools.cache
def code_digest(parts: tuple[str, ...], outside: str | None = None) -> str:
    """sha256 over the code in folders of this package, and over a module from outside, by its name."""
    files = [path for part in parts for path in sorted((_file_of("tinysam2").parent / part).rglob("*.py"))]
    if outside and not outside.startswith("tinysam2."):
        file = _file_of(outside)
        files += sorted(file.parent.rglob("*.py")) if "." in outside else [file]
    return hashlib.sha256("".join(f"{path.name} {sha256_of(path)}\n" for path in files).encode()).hexdigest()


def _file_of(module: str) -> Path:
    """The file that a module or a package is imported from."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)
