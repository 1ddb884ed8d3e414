"""Faults of files, and of programs that were converted from something else than the model."""

import copy
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.faults.bench import Bench, Fault, copy_fault, edit_card
from benchmarks.faults.weights import files_of_weights
from tinysam2.converters.export import ExportedModel
from tinysam2.core.contract import MASK_DECODER, MEMORY_ENCODER
from tinysam2.core.silencing import silenced
from tinysam2.models.network.bank import BankUpdate
from tinysam2.models.network.programs import build_programs
from tinysam2.models.network.tinysam2 import TinySAM2

Patch = AbstractContextManager[object]


def _largest(folder: Path) -> Path:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")
    return max(files, key=lambda path: path.stat().st_size)


def _truncate(folder: Path, bench: Bench) -> None:
    path = _largest(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _remove(folder: Path, bench: Bench) -> None:
    path = folder / bench.card.files[MASK_DECODER]
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _rename_preset(folder: Path, bench: Bench) -> None:
    edit_card(folder, bench, preset="tinysam2-512")


def _exchange(folder: Path, bench: Bench) -> None:
    """The card takes one program's package for the other's."""
    files = dict(bench.card.files)
    files[MASK_DECODER], files[MEMORY_ENCODER] = files[MEMORY_ENCODER], files[MASK_DECODER]
    edit_card(folder, bench, files=files)


def _flip_bit(folder: Path, bench: Bench) -> None:
    """The highest bit of the exponent of a weight in the stem."""
    stem = next(iter(bench.loaded.model.image_encoder.fuse().trunk.parameters())).detach().numpy()
    for path in files_of_weights(folder):
        data = bytearray(path.read_bytes())
        for dtype in (np.float32, np.float16):
            for layout in ((0, 1, 2, 3), (0, 2, 3, 1)):
                weight = np.ascontiguousarray(stem.transpose(layout), dtype).tobytes()
                if (start := data.find(weight)) >= 0:
                    # Little-endian: the sign and the exponent's highest bits are in the last byte.
                    data[start + np.dtype(dtype).itemsize - 1] ^= 0x40
                    path.write_bytes(data)
                    return
    raise RuntimeError(f"the stem's weight is not found in {bench.name}'s files")


def program_fault(
    name: str,
    what: str,
    program: str,
    patch: Callable[[], Patch] = nullcontext,
    spoil: Callable[[TinySAM2], None] = lambda model: None,
    of: str = "program",
) -> Fault:
    """A fault of one program's graph, exported while something is patched, or from a copy of the model that `spoil`
    changes; only where each program lies in a file of its own, so that no other has to be converted again."""

    def damage(folder: Path, bench: Bench) -> None:
        model = copy.deepcopy(bench.loaded.model)
        with torch.no_grad():
            spoil(model)
        broken = build_programs(model)[program]
        example = {spec.name: torch.zeros(spec.shape) for spec in broken.spec.inputs}
        with silenced():
            with patch(), torch.no_grad():
                graph = torch.export.export(broken, (), example, strict=False)
            converter = bench.card.target_entry.load_converter()
            converter.convert([ExportedModel(broken, example, graph)], bench.card.precision, folder)

    return copy_fault(name, what, of, damage, own_files=True)


def _interpolating(**changed: object) -> Callable[[], Patch]:
    """Enlarges in another way."""
    unmodified = F.interpolate

    def enlarge(values: Tensor, **options: object) -> Tensor:
        options |= changed if options["mode"] == "bilinear" else {}
        return unmodified(values, **{key: value for key, value in options.items() if value is not None})

    return lambda: mock.patch.object(F, "interpolate", enlarge)


def _gelu_by_sigmoid() -> Patch:
    return mock.patch.object(F, "gelu", lambda values: values * torch.sigmoid(1.702 * values))


def _mask_ignored() -> Patch:
    return mock.patch.object(BankUpdate, "_informed_by_mask", lambda self, logits: 0 * logits.mean((2, 3)))


FILE_FAULTS: tuple[Fault, ...] = (
    copy_fault("truncated", "half of the largest file is missing", "file", _truncate),
    copy_fault("missing", "the mask decoder's file is missing", "file", _remove),
    copy_fault("other-preset", "the card names another preset", "file", _rename_preset),
    copy_fault("exchanged", "two programs' packages exchanged", "file", _exchange, own_files=True),
    copy_fault("bit-flip", "one bit of one weight of the stem", "weights", _flip_bit),
    program_fault(
        "memory-nearest",
        "the memory encoder enlarges the mask by nearest",
        MEMORY_ENCODER,
        _interpolating(mode="nearest", align_corners=None),
    ),
    program_fault(
        "memory-corners",
        "the memory encoder enlarges the mask half a pixel off",
        MEMORY_ENCODER,
        _interpolating(align_corners=True),
    ),
    program_fault("gelu-sigmoid", "the mask decoder's GELU approximated by a sigmoid", MASK_DECODER, _gelu_by_sigmoid),
    program_fault("mask-ignored", "tokens chosen whatever the mask", MEMORY_ENCODER, _mask_ignored),
)

LAYER = "mask_decoder.upscale1.conv"


def _scale_off(model: TinySAM2) -> None:
    model.get_submodule(LAYER).weight_scale.mul_(1.1)


def _weight_zero_point_off(model: TinySAM2) -> None:
    model.get_submodule(LAYER).weight_zero_point.add_(4)


def _input_zero_point_off(model: TinySAM2) -> None:
    layer = model.get_submodule(LAYER)
    scale, zero_point = layer.input_qparams
    layer.input_qparams = (scale, min(zero_point + 64, 127))


def integers_fault(name: str, what: str, spoil: Callable[[TinySAM2], None]) -> Fault:
    """A fault of one int8 layer's numbers."""
    return program_fault(name, what, MASK_DECODER, spoil=spoil, of="integers")


INTEGER_FAULTS: tuple[Fault, ...] = (
    integers_fault("weight-scale", "a layer's weight scales 10 % too large", _scale_off),
    integers_fault("weight-zero-point", "a layer's weight zero points off by 4", _weight_zero_point_off),
    integers_fault("input-zero-point", "a layer's input zero point off by 64", _input_zero_point_off),
)
