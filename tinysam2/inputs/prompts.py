"""What the command line says of objects, as prompts: points and a box, a mask, or a file of prompts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tinysam2.core.errors import InputError
from tinysam2.inputs.options import box_option, grouped, mask_option, point_option, prompts_file_option

if TYPE_CHECKING:
    from tinysam2.data.clips import Clip
    from tinysam2.data.prompts import FramePrompts, Prompt
    from tinysam2.data.prompts_file import PromptEntry

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class GivenPrompts:
    """What the command line says of the objects on one frame of a clip, by `prompt_options`.

    points: x, y and, where given, 1 (object) or 0; box: left, top, right, bottom; both are of object 1. mask: a PNG,
    each id in which is an object. Raises InputError where a mask stands beside points or a box.
    """

    points: tuple[Numbers, ...] = ()
    box: Numbers | None = None
    mask: Path | None = None

    def __post_init__(self) -> None:
        if self.mask and (self.points or self.box):
            raise InputError("--mask says it all; give it alone, or --point and --box without it")

    @property
    def any(self) -> bool:
        return bool(self.points or self.box or self.mask)

    def read(self, clip: "Clip") -> "dict[int, Prompt]":
        """The prompts by object id. Raises InputError where they do not fit the clip's frames."""
        from tinysam2.data.masks import read_mask
        from tinysam2.data.prompts import Box, Point, Prompt, prompts_of_mask

        if self.mask:
            return prompts_of_mask(read_mask(self.mask, (clip.width, clip.height)))
        prompt = Prompt(
            points=tuple(Point(x, y, positive=label != [0]) for x, y, *label in self.points),
            box=Box(*self.box) if self.box else None,
        )
        prompt.check(clip.width, clip.height)
        return {1: prompt}

    def frame(self, clip: Path) -> int:
        """The frame that is prompted, counted from 0: the first, or the one that the clip's own mask is named after.

        clip: its path. Raises InputError where a mask in the clip's own `masks` has no frame's name.
        """
        from tinysam2.data.clips import frame_names

        if not (self.mask and clip.is_dir() and self.mask.resolve().parent == (_home(clip) / "masks").resolve()):
            return 0
        names = frame_names(clip)
        if self.mask.stem not in names:
            raise InputError(
                f"the mask {self.mask} belongs to no frame of {clip}: none is named {self.mask.stem}; "
                "name the mask after its frame"
            )
        return names.index(self.mask.stem)


@dataclass(frozen=True)
class GivenTrackPrompts(GivenPrompts):
    """What the command line says of the objects of a clip that is tracked, by `track_prompt_options`.

    file: JSON, with prompts of any frame. Raises InputError where it stands beside other prompts or is not of its form.
    """

    file: Path | None = None
    entries: "tuple[PromptEntry, ...]" = field(default=(), init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.file is None:
            return
        if self.points or self.box or self.mask:
            raise InputError("--prompts says it all; give it alone, or --point, --box or --mask without it")
        from tinysam2.data.prompts_file import read_prompts_file

        object.__setattr__(self, "entries", read_prompts_file(self.file))

    @property
    def any(self) -> bool:
        return bool(super().any or self.file)

    @property
    def files(self) -> tuple[Path | None, ...]:
        """Everything that is read."""
        return (self.mask, self.file, *(entry.mask for entry in self.entries))

    def by_frame(self, path: Path, clip: "Clip") -> "dict[int, FramePrompts]":
        """Frame -> its prompts and removals; path: the clip's. Raises InputError where they do not fit the clip."""
        from tinysam2.data.prompts import FramePrompts
        from tinysam2.data.prompts_file import prompts_by_frame

        if self.file:
            return prompts_by_frame(self.entries, clip)
        return {self.frame(path): FramePrompts(self.read(clip))}


_OPTIONS = {"points": point_option, "box": box_option, "mask": mask_option}

prompt_options = grouped("prompts", GivenPrompts, _OPTIONS)
"""`--point`, `--box` and `--mask`, as `prompts`."""

track_prompt_options = grouped("prompts", GivenTrackPrompts, {**_OPTIONS, "file": prompts_file_option})
"""`--point`, `--box`, `--mask` and `--prompts`, as `prompts`."""


def first_mask_of(clip: Path) -> Path:
    """The first mask of a clip that is laid out as DAVIS is: `masks` beside `frames`.

    clip: the folder that holds both, or its `frames`. Raises InputError where there is no clip or no masks.
    """
    from tinysam2.data.clips import natural_order

    if not clip.exists():
        raise InputError(f"{clip} does not exist; name a video file or a folder of frames")
    masks = sorted((_home(clip) / "masks").glob("*.png"), key=natural_order) if clip.is_dir() else []
    if not masks:
        raise InputError(f"{clip} brings no masks; prompt the object with --point, --box or --mask")
    return masks[0]


def _home(clip: Path) -> Path:
    """The folder that holds a clip's `frames` and `masks`."""
    return clip if (clip / "frames").is_dir() else clip.resolve().parent
