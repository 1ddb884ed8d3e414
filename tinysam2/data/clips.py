"""Clips: the frames of a video file or of a folder of pictures, streamed."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.data.video import FALLBACK_FRAMES_PER_SECOND, open_video

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


@dataclass(frozen=True)
class Clip:
    """Frames [H, W, 3] uint8 RGB, read one at a time; each `iter(clip)` starts at frame 0.

    width and height are in pixels; frame_count is None where the file does not say.
    Iterating raises InputError at a frame that cannot be read or has another size.
    """

    name: str
    width: int
    height: int
    frames_per_second: float
    frame_count: int | None
    read_frames: Callable[[], Iterator[np.ndarray]] = field(repr=False)

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.read_frames()


def open_clip(path: str | Path) -> Clip:
    """The clip in a video file (whatever FFmpeg decodes, turned upright) or in a folder of pictures.

    A folder's .jpg, .jpeg and .png files are its frames, in natural order (2 before 10) and at 24 frames a
    second; a folder without pictures but with a `frames` subfolder stands for that. Pictures are taken as
    stored: an EXIF rotation is not applied.
    Raises InputError when the path is missing, is not a whole video, or holds no frames or several sizes.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; name a video file or a folder of frames")
    if not path.is_file():
        raise InputError(f"{path} is a device or a pipe; name a video file or a folder of frames")
    video = open_video(path)
    return Clip(
        name=path.stem,
        width=video.width,
        height=video.height,
        frames_per_second=video.frames_per_second,
        frame_count=video.frame_count,
        read_frames=video.read_frames,
    )


def natural_order(path: Path) -> tuple:
    """A sort key under which frame2 stands before frame10."""
    # The name itself settles 1 against 01, so that the order never depends on the file system's.
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts], path.name


def frame_names(folder: Path) -> list[str]:
    """The stems of the frames of a clip that is a folder, in their order. Raises InputError where it holds none."""
    return [picture.stem for picture in _pictures_of_clip(folder)]


def _open_folder(folder: Path) -> Clip:
    pictures = _pictures_of_clip(folder)
    _check_one_picture_a_frame(pictures)

    width, height = picture_size(pictures[0])
    for picture in pictures[1:]:
        size = picture_size(picture)
        if size != (width, height):
            raise InputError(
                f"the frame {picture} is {size[0]}x{size[1]}, but {pictures[0].name} is {width}x{height}; "
                "all frames of a clip must have one size"
            )
    read_picture(pictures[0])
    return Clip(
        name=folder.resolve().name,
        width=width,
        height=height,
        frames_per_second=FALLBACK_FRAMES_PER_SECOND,
        frame_count=len(pictures),
        read_frames=partial(map, read_picture, pictures),
    )


def _pictures_of_clip(folder: Path) -> list[Path]:
    pictures = _pictures_in(folder)
    if not pictures and (folder / "frames").is_dir():
        pictures = _pictures_in(folder / "frames")
    if not pictures:
        raise InputError(f"the folder {folder} holds no frames; put .jpg, .jpeg or .png files in it")
    return pictures


def _pictures_in(folder: Path) -> list[Path]:
    # Names that start with a dot are the system's own: macOS leaves a ._00000.jpg beside every copied frame.
    return sorted(
        (p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith(".")),
        key=natural_order,
    )


def _check_one_picture_a_frame(pictures: list[Path]) -> None:
    seen: dict[str, Path] = {}
    for picture in pictures:
        other = seen.setdefault(picture.stem, picture)
        if other is not picture:
            raise InputError(
                f"the folder {picture.parent} holds both {other.name} and {picture.name}; "
                "keep one picture a frame, and masks in a folder of their own"
            )


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height. Raises InputError where the file is no 8-bit picture."""
    with _open_picture(path) as image:
        return image.size


def read_picture(path: Path) -> np.ndarray:
    """uint8 RGB [H, W, 3]. Raises InputError where the file is damaged or no 8-bit picture."""
    with _open_picture(path) as image:
        try:
            return np.array(image.convert("RGB"))
        except Exception as error:  # Pillow raises many kinds for damaged contents
            raise _damaged(path) from error


def _open_picture(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
    except Exception as error:  # Pillow raises many kinds for damaged contents
        raise _damaged(path) from error
    if image.mode not in EIGHT_BIT_MODES:
        image.close()
        raise InputError(f"the frame {path} has mode {image.mode}; save it as an 8-bit RGB picture")
    return image


def _damaged(path: Path) -> InputError:
    return InputError(f"the frame {path} is damaged or not a picture; replace it with a whole .jpg or .png file")
