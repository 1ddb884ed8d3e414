"""What the command line says of objects, as prompts: points and a box, or a mask."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinysam2.core.errors import InputError
from tinysam2.inputs.options import box_option, grouped, mask_option, point_option

if TYPE_CHECKING:
    from tinysam2.data.clips import Clip
    from tinysam2.data.prompts import Prompt

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class GivenPrompts:
    """What the command line says of the objects on a clip's first frame, by `prompt_options`.

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


prompt_options = grouped("prompts", GivenPrompts, {"points": point_option, "box": box_option, "mask": mask_option})
"""`--point`, `--box` and `--mask`, as `prompts`."""


def first_mask_of(clip: Path) -> Path:
    """The first mask of a clip that is laid out as DAVIS is: `masks` beside `frames`.

    clip: the folder that holds both, or its `frames`. Raises InputError where there is no clip or no masks.
    """
    from tinysam2.data.clips import natural_order

    if not clip.exists():
        raise InputError(f"{clip} does not exist; name a video file or a folder of frames")
    home = clip if (clip / "frames").is_dir() else clip.resolve().parent
    masks = sorted((home / "masks").glob("*.png"), key=natural_order) if clip.is_dir() else []
    if not masks:
        raise InputError(f"{clip} brings no masks; prompt the object with --point, --box or --mask")
    return masks[0]
