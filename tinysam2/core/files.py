"""Where results go: destinations checked before any work, and outputs that appear whole or not at all."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.leftovers import claimed, recover
from tinysam2.core.replacing import sync_tree
from tinysam2.core.units import MIB


def check_output_file(path: str | Path) -> Path:
    """The destination of a file, checked before the work that fills it.

    Missing parent folders are fine: `atomic_path` makes them. What a killed process left there is cleaned up.
    Raises InputError when the path is a folder or a device, or nothing can be written there.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder; name a file")
        if path.exists() and not path.is_file():
            raise InputError(f"cannot write {path}: it is a device or a pipe; name a regular file")
        _check_writable(path)
        recover(path.resolve().parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def check_output_folder(path: str | Path, former_output: str | None = None) -> Path:
    """The destination of a folder that `atomic_path` will replace whole, checked before the work for it.

    former_output: an entry that every such output holds ("manifest.json", say); a folder with other content
    and without this entry is somebody's own, and is refused rather than replaced. None: any folder will do.
    What a killed process left there is cleaned up.
    Raises InputError when the path is not a folder, may not be replaced, or nothing can be written there.
    """
    path = Path(path)
    try:
        recover(path.resolve().parent)
        if path.exists() and not path.is_dir():
            raise InputError(f"cannot write the folder {path}: it is a file; name a folder")
        if path.is_dir():
            _check_replaceable(path)
            if former_output and any(path.iterdir()) and not (path / former_output).exists():
                raise InputError(
                    f"will not replace the folder {path}: it is not empty and holds no {former_output}, "
                    "so it is not a former output; name a new or an empty folder"
                )
        _check_writable(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, with the same suffix, to write a file or a folder to.

    Leaving the block syncs it to the disk and renames it to `path`, replacing a former file or folder; an exception,
    Ctrl-C included, removes it and leaves the former one whole. Parent folders are made. A process that is killed, or
    loses power, leaves the old or the new one whole, or one that `recover` brings back.
    Raises InputError where nothing can be written, or a file and a folder would replace each other.
    """
    with atomic_paths([path]) as [temporary]:
        yield temporary


@contextmanager
def atomic_paths(paths: Sequence[str | Path]) -> Iterator[tuple[Path, ...]]:
    """Temporary paths, as `atomic_path`'s, of outputs in one folder that take their places together.

    Either all take them or none does. Killed while they do, a process leaves some in place: whole ones, and `recover`
    puts the others there. Raises as `atomic_path`, and ValueError where the paths are of several folders.
    """
    places = tuple(Path(path).resolve() for path in paths)
    folder = places[0].parent
    if any(place.parent != folder for place in places):
        raise ValueError(f"outputs that take their places together must lie in one folder, not in {places}")
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claim = stack.enter_context(claimed(places))
        except OSError as error:
            raise _unwritable(Path(paths[0]), error) from error
        yield claim.partials
        for given, temporary, place in zip(paths, claim.partials, places, strict=True):
            sync_tree(temporary)
            _check_kinds(Path(given), temporary, place)
        claim.put()


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file, whole or not at all. Raises InputError as `atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def bytes_in(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, as hexadecimal digits; read in blocks, so that a large file takes no memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """sha256 over the paths and the sha256 of all files within a folder, in the order of the paths."""
    lines = (
        f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _check_kinds(given: Path, temporary: Path, path: Path) -> None:
    if path.is_dir() and temporary.is_dir():
        _check_replaceable(path)
    elif path.is_dir():
        raise InputError(f"cannot write {given}: it is a folder; name a file")
    elif path.exists() and (temporary.is_dir() or not path.is_file()):
        raise InputError(f"cannot write {given}: it is not a {'folder' if temporary.is_dir() else 'file'}")


def _check_replaceable(folder: Path) -> None:
    resolved, working = folder.resolve(), Path.cwd()
    if resolved == working or resolved in working.parents:
        raise InputError(f"will not replace {folder}: it is or holds the working folder; name another folder")
    if resolved.is_mount():
        raise InputError(f"cannot replace {folder}: it is a mount point; name a folder in it")


def _check_writable(path: Path) -> None:
    # Permission bits say little to root and nothing on a read-only or virtual file system: try.
    ancestor = path.resolve().parent
    while not ancestor.exists():
        ancestor = ancestor.parent
    if not ancestor.is_dir():
        raise InputError(f"cannot write {path}: {ancestor} is a file; name a path within a folder")
    with tempfile.TemporaryFile(dir=ancestor):
        pass


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path}: {error.strerror}; name a place that can be written")
