"""Where a validation ran: Python, system, processor, and the versions of what computed."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinysam2.core.launching import usable_cores
from tinysam2.core.targets import TARGETS

PACKAGES = ("tinysam2", "torch", "numpy", "pillow", "av")
"""Distributions whose versions a reader of figures asks for, beside those of the targets."""


@dataclass(frozen=True)
class Environment:
    """python: its version. system: the operating system and machine type. processor: its name and cores: how many
    the process may use. packages: distribution -> version."""

    python: str
    system: str
    processor: str
    cores: int
    packages: Mapping[str, str]


def this_environment() -> Environment:
    """What this process runs in."""
    return Environment(
        python=platform.python_version(),
        system=f"{_system_name()}, {platform.machine()}",
        processor=_processor_name(),
        cores=usable_cores(),
        packages=dict(_versions()),
    )


def _versions() -> Iterator[tuple[str, str]]:
    of_targets = (package.replace("_", "-") for target in TARGETS.values() for package in target.packages)
    for name in dict.fromkeys((*PACKAGES, *of_targets)):
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _system_name() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _processor_name() -> str:
    """The processor's own name where the system tells it, else its architecture."""
    try:
        if platform.system() == "Darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return " ".join(value.split())
    except (OSError, subprocess.CalledProcessError):
        pass
    return platform.processor() or platform.machine()
