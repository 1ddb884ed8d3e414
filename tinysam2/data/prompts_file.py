"""A JSON file of prompts: which object is prompted, or removed, on which frame of a clip."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.json_text import parse_json
from tinysam2.data.clips import Clip
from tinysam2.data.masks import read_mask
from tinysam2.data.prompts import Box, FramePrompts, Point, Prompt

KEYS = ("frame", "object", "points", "box", "mask", "remove")
LARGEST_ID = 255

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class PromptEntry:
    """One entry: an object is prompted by points, a box or both, or by a mask, or it is removed.

    place: file and number of the entry, for messages. frame: counted from 0. object_id: 1 to 255. points: x, y and,
    where given, 1 (object) or 0. box: left, top, right, bottom. Both are in pixels.
    """

    place: str
    frame: int
    object_id: int
    points: tuple[Numbers, ...] = ()
    box: Numbers | None = None
    mask: Path | None = None
    remove: bool = False

    def prompt(self, width: int, height: int) -> Prompt:
        """The prompt, on a frame of that size. Raises InputError, naming the entry, where it does not fit."""
        try:
            prompt = Prompt(
                points=tuple(Point(x, y, positive=label != [0]) for x, y, *label in self.points),
                box=Box(*self.box) if self.box else None,
                mask=self._mask_of_object(self.mask, (width, height)) if self.mask else None,
            )
            prompt.check(width, height)
        except InputError as error:
            raise InputError(f"{self.place}: {error}") from error
        return prompt

    def _mask_of_object(self, path: Path, size: tuple[int, int]):
        """bool [H, W]: the pixels of this object's id; in a mask with a single id, the pixels of that id."""
        ids = read_mask(path, size)
        present = sorted({*ids[ids > 0].tolist()})
        if len(present) > 1 and self.object_id not in present:
            raise InputError(
                f"the mask {path} holds the objects {', '.join(map(str, present))}, but not {self.object_id}; "
                "mark the object's pixels with its id"
            )
        return ids == (self.object_id if len(present) > 1 else present[0])


def read_prompts_file(path: Path) -> tuple[PromptEntry, ...]:
    """The entries, by frame; masks are read later, by `prompts_by_frame`.

    The form of the file: docs/tracking.md. Raises InputError, naming the entry, where the file is not of that form,
    two entries are of one object on one frame, or an object is removed that is not tracked then.
    """
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"the prompts {path} do not exist; name a JSON file") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"the prompts {path} cannot be read as JSON; name a JSON file with a list of prompts"
        ) from error
    if not isinstance(data, list) or not data:
        raise InputError(f"the prompts {path} hold no list of prompts; write [{{...}}, ...] with at least one entry")
    entries = [_entry(f"{path}, entry {number}", given, path.parent) for number, given in enumerate(data, start=1)]
    entries.sort(key=lambda entry: entry.frame)
    _check_order(entries)
    return tuple(entries)


def prompts_by_frame(entries: Sequence[PromptEntry], clip: Clip) -> dict[int, FramePrompts]:
    """Frame -> its prompts and removals.

    Raises InputError, naming the entry, where a prompt does not fit the clip's frames or the clip is known to end
    before it.
    """
    prompts: dict[int, dict[int, Prompt]] = {}
    removed: dict[int, list[int]] = {}
    for entry in entries:
        if clip.frame_count is not None and entry.frame >= clip.frame_count:
            raise InputError(
                f"{entry.place} is of frame {entry.frame}, but {clip.name} has {clip.frame_count} frames; "
                f"name a frame from 0 to {clip.frame_count - 1}"
            )
        if entry.remove:
            removed.setdefault(entry.frame, []).append(entry.object_id)
        else:
            prompts.setdefault(entry.frame, {})[entry.object_id] = entry.prompt(clip.width, clip.height)
    return {
        frame: FramePrompts(prompts.get(frame, {}), tuple(removed.get(frame, ())))
        for frame in sorted({*prompts, *removed})
    }


def _entry(place: str, given: object, folder: Path) -> PromptEntry:
    if not isinstance(given, dict):
        raise InputError(f'{place} is not an object; write {{"frame": 0, "object": 1, "points": [[x, y]]}}')
    if unknown := sorted(given.keys() - set(KEYS)):
        raise InputError(f"{place} has an unknown key '{unknown[0]}'; the keys are {', '.join(KEYS)}")
    kinds = [key for key in KEYS[2:] if key in given]
    if not kinds or (len(kinds) > 1 and kinds != ["points", "box"]):
        has = f"has {' and '.join(kinds)}" if kinds else "says nothing of its object"
        raise InputError(f"{place} {has}; give points, box or both, or mask alone, or remove alone")
    if "remove" in given and given["remove"] is not True:
        raise InputError(f"{place}: remove is {given['remove']!r}; write true, or leave it out")
    if "mask" in given and not (isinstance(given["mask"], str) and given["mask"] and "\0" not in given["mask"]):
        raise InputError(f"{place}: mask is {given['mask']!r}; name a PNG file, relative to the file of prompts")
    return PromptEntry(
        place,
        _integer(place, given, "frame", 0, None),
        _integer(place, given, "object", 1, LARGEST_ID),
        _points(place, given["points"]) if "points" in given else (),
        _numbers(given["box"], (4,), f"{place}: box", "left, top, right, bottom") if "box" in given else None,
        folder / given["mask"] if "mask" in given else None,
        "remove" in given,
    )


def _integer(place: str, given: dict, key: str, least: int, most: int | None) -> int:
    wanted = f"a whole number from {least} to {most}" if most else f"a whole number, {least} or more"
    if key not in given:
        raise InputError(f"{place} has no {key}; give {wanted}")
    value = given[key]
    if type(value) is not int or value < least or (most and value > most):
        raise InputError(f"{place}: {key} is {value!r}; it must be {wanted}")
    return value


def _points(place: str, given: object) -> tuple[Numbers, ...]:
    if not isinstance(given, list) or not given:
        raise InputError(f"{place}: points is {given!r}; give a list of [x, y] or [x, y, 0 or 1]")
    points = tuple(_numbers(point, (2, 3), f"{place}: point", "x, y or x, y, 0 or 1") for point in given)
    for point in points:
        if len(point) == 3 and point[2] not in (0, 1):
            raise InputError(f"{place}: point {list(point)} has the sign {point[2]:g}; it must be 1 (object) or 0")
    return points


def _numbers(given: object, counts: tuple[int, ...], what: str, wanted: str) -> Numbers:
    numbers = given if isinstance(given, list) else []
    if len(numbers) not in counts or not all(type(n) in (int, float) and abs(n) < math.inf for n in numbers):
        raise InputError(f"{what} is {given!r}; give [{wanted}] in pixels")
    try:
        return tuple(float(number) for number in numbers)
    except OverflowError as error:
        raise InputError(f"{what} has a number of {len(str(max(numbers, key=abs)))} digits; give pixels") from error


def _check_order(entries: Sequence[PromptEntry]) -> None:
    """entries: by frame."""
    seen: dict[tuple[int, int], PromptEntry] = {}
    tracked: set[int] = set()
    for entry in entries:
        other = seen.setdefault((entry.frame, entry.object_id), entry)
        if other is not entry:
            raise InputError(
                f"{entry.place} is of object {entry.object_id} on frame {entry.frame}, as another entry is; "
                "say everything of an object on a frame in one entry"
            )
        if entry.remove and entry.object_id not in tracked:
            raise InputError(
                f"{entry.place} removes object {entry.object_id} on frame {entry.frame}, where it is not tracked; "
                "remove it after a frame that prompts it"
            )
        (tracked.discard if entry.remove else tracked.add)(entry.object_id)
