"""YouTube-VOS and MOSE as published: JPEGImages and Annotations by sequence, and perhaps a meta.json.

Objects may appear late, and frames may lack a mask. Sources: https://youtube-vos.org, https://henghuiding.com/MOSE.
"""

from collections.abc import Mapping
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.json_text import parse_json
from tinysam2.data.datasets.pictures import MASK_SUFFIXES, PictureSequence, files_by_name, subfolders
from tinysam2.data.sequence import VOID


def is_youtube_vos(folder: Path) -> bool:
    return (folder / "JPEGImages").is_dir()


def read_youtube_vos(folder: Path) -> tuple[PictureSequence, ...]:
    """Every sequence in JPEGImages; meta.json, where it is there, says which objects there are and where each begins.

    Raises InputError where a sequence is not whole, or meta.json is broken or lacks one.
    """
    begin = _read_meta(folder / "meta.json")
    pictures, annotations = subfolders(folder / "JPEGImages"), subfolders(folder / "Annotations")
    stray = sorted({path.name for path in annotations} - {path.name for path in pictures})
    if stray:
        raise InputError(f"the masks {folder / 'Annotations' / stray[0]} have no frames in {folder / 'JPEGImages'}")
    missing = sorted(set(begin or ()) - {path.name for path in pictures})
    if missing:
        raise InputError(f"{folder / 'meta.json'} names {missing[0]}, but {folder / 'JPEGImages'} has no such folder")
    sequences = []
    for sequence in pictures:
        if begin is not None and sequence.name not in begin:
            raise InputError(f"{folder / 'meta.json'} does not know the sequence {sequence.name}, which has frames")
        sequences.append(
            PictureSequence(
                sequence.name,
                files_by_name(sequence, "frames"),
                files_by_name(folder / "Annotations" / sequence.name, "masks", MASK_SUFFIXES),
                objects_begin=None if begin is None else begin[sequence.name],
            )
        )
    return tuple(sequences)


def _read_meta(file: Path) -> Mapping[str, Mapping[int, str]] | None:
    """Sequence name -> object id -> name of its first frame; None: there is no such file."""
    if not file.is_file():
        return None
    try:
        videos = parse_json(file.read_text(encoding="utf-8"))["videos"]
        begin = {
            name: {int(i): str(entry["frames"][0]) for i, entry in video["objects"].items()}
            for name, video in videos.items()
        }
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{file} is not the meta.json of YouTube-VOS; it holds videos, their objects, and each object's frames"
        ) from error
    for name, objects in begin.items():
        if not objects:
            raise InputError(f"{file} gives {name} no object; leave the sequence out of the data set")
        for i in objects:
            if not 0 < i < VOID:
                raise InputError(f"{file} gives {name} the object id {i}; ids are 1 to {VOID - 1}")
    return begin
