"""What `tinysam2 ship` is asked for: platforms, targets, and where the bundles go, checked before any work."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tinysam2.converters.bundle.platforms import platforms
from tinysam2.core.errors import InputError
from tinysam2.core.files import check_output_file, check_output_folder
from tinysam2.core.manifest import MANIFEST
from tinysam2.core.targets import TARGETS, Target
from tinysam2.inputs.options import ALL

FULL = (errno.ENOSPC, errno.EDQUOT)
"""A disk, or a user's share of it, is full."""


@dataclass(frozen=True)
class GivenBundles:
    """Which bundles are wanted. platform: one, or all; runtimes: only these targets; none: all of them."""

    platform: str
    runtimes: tuple[Target, ...]

    def __post_init__(self) -> None:
        for target in self.runtimes:
            if self.platform not in ((ALL, *target.shipped_for) if target.shipped_for else ()):
                offered = [other.name for other in _shipped() if self.platform in (ALL, *other.shipped_for)]
                phones = "any platform" if self.platform == ALL else self.platform
                raise InputError(f"{target.name} is not shipped for {phones}; choose from {', '.join(offered)}")

    def targets(self) -> list[Target]:
        """The targets to convert to."""
        wanted = self.platforms()
        return [target for target in self._chosen() if set(wanted) & set(target.shipped_for)]

    def platforms(self) -> list[str]:
        """The platforms that get a bundle: each has one of the targets."""
        return [
            platform
            for platform in platforms()
            if self.platform in (ALL, platform) and any(platform in target.shipped_for for target in self._chosen())
        ]

    def _chosen(self) -> list[Target]:
        return [target for target in _shipped() if not self.runtimes or target in self.runtimes]


@dataclass(frozen=True)
class GivenDestination:
    """Where bundles go. overwrite: former ones are replaced. keep_failed: what failed a gate is written too.
    reports: files for the whole report, measured memory with it."""

    output: Path
    overwrite: bool
    keep_failed: bool
    reports: tuple[Path, ...]

    def check(self, wanted: Sequence[str]) -> None:
        """Raises InputError where a bundle cannot be written, or would replace what it must not."""
        check_output_folder(self.output)
        for platform in wanted:
            folder, archive = self.bundle(platform)
            check_output_folder(folder, former_output=MANIFEST)
            check_output_file(archive)
            for place in (folder, archive):
                if place.exists() and not self.overwrite and not _is_empty(place):
                    raise InputError(
                        f"{place} is there already; replace it with --overwrite, or name another folder with --output"
                    )

    def bundle(self, platform: str) -> tuple[Path, Path]:
        """A platform's folder and its zip."""
        return self.output / platform, self.output / f"{platform}.zip"


@contextmanager
def disk_errors_told(output: Path) -> Iterator[None]:
    """Turns a full disk into an InputError."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(
            f"cannot write the bundles to {output}: the disk is full ({error.strerror}); free some space, "
            "former bundles are as they were"
        ) from error


def named_platform(name: str) -> str:
    """A platform by its name; `InputError` names the ones there are."""
    if name not in (ALL, *platforms()):
        raise InputError(f"unknown platform '{name}'; it must be one of {', '.join((*platforms(), ALL))}")
    return name


def _shipped() -> list[Target]:
    return [target for target in TARGETS.values() if target.shipped_for]


def _is_empty(place: Path) -> bool:
    return place.is_dir() and not any(place.iterdir())
