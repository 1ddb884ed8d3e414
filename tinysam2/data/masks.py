"""Object masks as PNG files: one byte a pixel, its value the object's id, 0 the background."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.core.files import atomic_path


def palette() -> np.ndarray:
    """The colours [256, 3] uint8 RGB of PASCAL VOC and DAVIS: black for 0, then one for each object id."""
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((ids >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def read_mask(path: str | Path, size: tuple[int, int] | None = None, allow_empty: bool = False) -> np.ndarray:
    """The object ids [H, W] uint8 of a PNG mask.

    Mode P: the index is the id, whatever the palette shows. Mode 1: white is object 1. Mode L: where 255 is
    the only value beside 0, as in DAVIS 2016, it is object 1; where it does not occur, the value is the id;
    255 among other values is a soft edge, not an id, and is refused. Other modes are refused.
    size: the expected (width, height) in pixels.
    Raises InputError when the file is missing, is not a whole PNG of such a mode, has another size than
    `size`, or holds no object (unless `allow_empty`).
    """
    path = Path(path)
    image, values = _read_png(path)
    if image.mode not in ("P", "L", "1"):
        raise InputError(
            f"the mask {path} has mode {image.mode}; "
            "save it as P (index = object id), L (0 and 255, or object ids) or 1"
        )
    if size is not None and image.size != tuple(size):
        raise InputError(f"the mask {path} is {_by(image.size)}, but the frames are {_by(size)}; both must be equal")
    ids = _ids_of_grey(values, path) if image.mode == "L" else values.astype(np.uint8)
    if not allow_empty and not ids.any():
        raise InputError(f"the mask {path} is empty: every pixel is 0; mark the object's pixels with its id")
    return ids


def write_mask(path: str | Path, ids: np.ndarray) -> None:
    """Writes the object ids [H, W] (0 to 255) as a mode-P PNG with the DAVIS palette, whole or not at all.

    Raises ValueError for another shape, type or range; InputError where the file cannot be written.
    """
    ids = np.asarray(ids)
    if ids.ndim != 2 or not ids.size:
        raise ValueError(f"ids has shape {ids.shape}; a mask is [H, W]")
    if ids.dtype != bool and not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids has type {ids.dtype}; a mask holds integers or booleans")
    if ids.min() < 0 or ids.max() > 255:
        raise ValueError(f"ids range from {ids.min()} to {ids.max()}; a mask holds 0 to 255")
    image = Image.fromarray(ids.astype(np.uint8)).convert("L")
    image.putpalette(palette().tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")


def _read_png(path: Path) -> tuple[Image.Image, np.ndarray]:
    # Unlike `Path.is_file` these raise nothing for a name that no file can have.
    if not os.path.isfile(path):
        wrong = "is a folder" if os.path.isdir(path) else "does not exist"
        raise InputError(f"the mask {path} {wrong}; name a PNG file")
    try:
        with Image.open(path) as image:
            if image.format != "PNG":
                raise InputError(f"the mask {path} is a {image.format} picture; save it as PNG, which loses nothing")
            return image, np.array(image)
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged contents
        raise InputError(f"the mask {path} is damaged or not a picture; name a whole PNG file") from error


def _ids_of_grey(values: np.ndarray, path: Path) -> np.ndarray:
    present = np.unique(values[values > 0])
    if present.size and present[-1] == 255:
        if present.size > 1:
            raise InputError(
                f"the mask {path} mixes 255 with {present.size - 1} other grey values, as soft edges do; "
                "save it with 0 and 255 only, or with object ids up to 254"
            )
        return (values == 255).astype(np.uint8)
    return values


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
