"""ONNX: one `.onnx` a program, its tensors named as in the contract."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from tinysam2.converters.export import ExportedModel
from tinysam2.core.files import atomic_path


def convert(
    programs: Sequence[ExportedModel], precision: str, folder: Path, progress: Callable[[str], None]
) -> Mapping[str, str]:
    """Writes `<program>.onnx` for every program into `folder`; returns program -> file name."""
    files = {}
    for exported in programs:
        spec = exported.program.spec
        progress(f"converting {spec.name}")
        model = torch.onnx.export(
            exported.graph,
            input_names=list(spec.input_names),
            output_names=list(spec.output_names),
            dynamo=True,
            verbose=False,
        )
        files[exported.name] = f"{exported.name}.onnx"
        with atomic_path(folder / files[exported.name]) as temporary:
            model.save(str(temporary), external_data=False)
    return files
