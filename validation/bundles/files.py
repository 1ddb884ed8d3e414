"""Gates on a bundle's files: that they are those of the manifest, to the byte, and no others."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tinysam2.core.files import sha256_of
from tinysam2.core.manifest import DIGEST, MANIFEST, digest_line
from tinysam2.validation.gate import Gate

MOST_NAMED = 5

PROTECTED = "the manifest is protected by its digest in " + DIGEST
LISTED = "the manifest lists every file with its size and sha256"


def digest_gate(bundle: Path) -> Gate:
    """Whether the manifest is the one that its digest was taken of."""
    path, expected = bundle / DIGEST, digest_line((bundle / MANIFEST).read_bytes())
    found = "" if path.is_file() else f"{DIGEST} is missing"
    if not found and path.read_bytes() != expected.encode():
        found = f"{MANIFEST} is not what {DIGEST} was written for"
    return Gate("manifest", "digests that differ", bool(found), 0, False, PROTECTED, found)


def manifest_sha256(bundle: Path) -> str:
    """The digest that a replay's results name their bundle by."""
    return hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()


def file_gates(bundle: Path, files: Mapping[str, Mapping]) -> Iterator[Gate]:
    """Verdicts on the bundle's files against those of its manifest: path -> bytes and sha256. Links count as extra."""
    found = {
        path.relative_to(bundle).as_posix(): path
        for path in bundle.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    missing = [name for name in files if name not in found or found[name].is_symlink()]
    changed = [
        name
        for name, entry in files.items()
        if name not in missing
        and (found[name].stat().st_size != entry["bytes"] or sha256_of(found[name]) != entry["sha256"])
    ]
    links = [name for name, path in found.items() if path.is_symlink()]
    extra = sorted(({*found} - {*files, MANIFEST, DIGEST}) | {*links})
    for measure, names in (("that differ", changed), ("missing", missing), ("not in the manifest", extra)):
        yield Gate("files", measure, len(names), 0, False, LISTED, _named(names))


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
