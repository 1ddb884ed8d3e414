"""COCO's compressed run lengths, the form of SA-V's masks.

A mask, column by column, is runs of background and object in turn, background first. Each length is written from its
lowest five bits up, a character for five, 48 added; 32 says that more follow, and the last character's 16 is the sign.
From the fourth on it is the difference to the length before the last. Source: rleToString and rleFrString in
common/maskApi.c of https://github.com/cocodataset/cocoapi.

pycocotools is not used: it reads past the end of a string that ends within a length, and where the runs fill only a
part of the mask, the rest is uninitialised memory. To forbid both takes all of the decoding below but its last line.
"""

import numpy as np

BITS = 5
MORE, SIGN = 1 << BITS, 1 << (BITS - 1)
OFFSET = 48
LONGEST = 6
"""Characters of one length; more would not fit 32 bits, as in the source."""


def run_lengths(counts: str) -> np.ndarray:
    """The lengths [N], int64, of the runs in a compressed string, background first.

    Raises ValueError where the string is not such.
    """
    try:
        codes = np.frombuffer(counts.encode("ascii"), np.uint8).astype(np.int64) - OFFSET
    except (AttributeError, UnicodeEncodeError) as error:
        raise ValueError("the run lengths are not a compressed string") from error
    if codes.size and (codes.min() < 0 or codes.max() >= 2 * MORE):
        raise ValueError("the run lengths hold a character that is no part of one")
    last = codes < MORE
    if codes.size and not last[-1]:
        raise ValueError("the run lengths end within one")
    [ends] = np.nonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: ends.size]
    sizes = ends - starts + 1
    if sizes.max(initial=0) > LONGEST:
        raise ValueError("a run length does not fit 32 bits")
    place = np.arange(codes.size) - np.repeat(starts, sizes)
    bits = (codes & (MORE - 1)) << (BITS * place)
    values = np.add.reduceat(bits, starts) if ends.size else np.zeros(0, np.int64)
    values = values - np.where(codes[ends] & SIGN, 1 << (BITS * sizes), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if (values < 0).any():
        raise ValueError("a run length is negative")
    return values


def decode_rle(counts: str, height: int, width: int) -> np.ndarray:
    """The mask [height, width], boolean, of a compressed string.

    Raises ValueError where the string is not such, or its runs do not fill a mask of that size.
    """
    lengths = run_lengths(counts)
    if lengths.sum() != height * width:
        raise ValueError(f"the runs fill {lengths.sum()} pixels, not {width}x{height}")
    is_object = np.arange(lengths.size) % 2 == 1
    return np.repeat(is_object, lengths).reshape(width, height).T
