"""How far each int8 layer alone is from torch, in each runtime, given the very same input.

    python -m benchmarks.single_layers --checkpoint int8.safetensors

Every quantized layer is asked what it is asked on the third frame of the embedded clip. The layers of a program are
converted side by side, none feeding another, so that no difference of one reaches the next. Differences are counted
in steps of the output's scale.
"""

import copy
import itertools
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.mil_frame import recorded_frame
from tinysam2.converters.export import ExportedModel
from tinysam2.core.config import preset
from tinysam2.core.contract import ProgramSpec, TensorSpec
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.models.network.programs import build_programs
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.layers import FrozenLayer
from tinysam2.models.weights.checkpoint import load_model
from tinysam2.views.console import print_table, shown_steps


@dataclass(frozen=True)
class Difference:
    """Of one program's layers: how many, the most steps that a value is off, the share of values that are off, and
    how many layers have none."""

    target: str
    program: str
    layers: int
    worst_steps: float
    share_off: float
    layers_without: int


class SideBySide(nn.Module):
    """Layers that each have an input and an output of their own, in the form that converters take a program."""

    def __init__(self, name: str, layers: Sequence[nn.Module], inputs: Sequence[Tensor], outputs: Sequence[Tensor]):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.spec = ProgramSpec(
            name,
            tuple(TensorSpec(f"x{i}", tuple(x.shape), "input") for i, x in enumerate(inputs)),
            tuple(TensorSpec(f"y{i}", tuple(y.shape), "output") for i, y in enumerate(outputs)),
        )

    def forward(self, **inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(layer(inputs[f"x{i}"]) for i, layer in enumerate(self.layers))


def recorded_layers(model: TinySAM2) -> dict[str, list[tuple[FrozenLayer, Tensor, Tensor]]]:
    """By program, every int8 layer with what it took and gave in its first call on one frame."""
    calls = {call.program: call for call in recorded_frame(TorchBackend(model))}
    recorded = {}
    for name, program in build_programs(model).items():
        seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

        def keep(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, seen=seen) -> None:
            seen.setdefault(layer, (inputs[0].clone().contiguous(), output.clone()))

        layers = [m for m in program.modules() if isinstance(m, FrozenLayer) and m.input_qparams]
        for layer, reader in itertools.pairwise(layers):
            # What follows in the program's order rounds what comes out of a ReLU; alone, a layer does that itself.
            layer.output_qparams = layer.output_qparams or reader.input_qparams
        hooks = [layer.register_forward_hook(keep) for layer in layers]
        with torch.no_grad():
            program(**{tensor: torch.from_numpy(value) for tensor, value in calls[name].inputs.items()})
        for hook in hooks:
            hook.remove()
        recorded[name] = [(layer, *tensors) for layer, tensors in seen.items()]
    return recorded


def _in_executorch(path: Path, program: str, inputs: Sequence[Tensor]) -> list[np.ndarray]:
    from executorch.runtime import Runtime

    loaded = Runtime.get().load_program(path)
    return [value.numpy().copy() for value in loaded.load_method(program).execute(list(inputs))]


def _in_litert(path: Path, program: str, inputs: Sequence[Tensor]) -> list[np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner(program)
    outputs = runner(**{f"x{i}": x.numpy() for i, x in enumerate(inputs)})
    return [outputs[f"output_{i}"] for i in range(len(inputs))]


RUNS: dict[str, Callable[[Path, str, Sequence[Tensor]], list[np.ndarray]]] = {
    "executorch": _in_executorch,
    "tflite": _in_litert,
}


def differences(model: TinySAM2, target: str, folder: Path) -> list[Difference]:
    """Converts the layers of every program to a target, runs them there and compares them with torch."""
    entry, found = TARGETS[target], []
    for name, recorded in recorded_layers(model).items():
        layers, inputs, outputs = map(list, zip(*recorded, strict=True))
        shipped = [copy.deepcopy(layer) for layer in layers]
        if entry.float_weights:
            for layer in shipped:
                layer.use_float_weight()
        program = SideBySide(name, shipped, inputs, outputs).eval()
        example = {f"x{i}": x for i, x in enumerate(inputs)}
        graph = torch.export.export(program, (), example, strict=False)
        of_program = folder / f"{target}-{name}"
        of_program.mkdir()
        files = entry.load_converter().convert([ExportedModel(program, example, graph)], INT8, of_program)
        given = RUNS[target](of_program / files[name], name, inputs)
        steps = [
            np.abs(np.rint((ours - theirs.numpy()) / layer.output_qparams[0]))
            for layer, ours, theirs in zip(layers, given, outputs, strict=True)
        ]
        found.append(
            Difference(
                target,
                name,
                len(layers),
                max(float(step.max()) for step in steps),
                sum(int((step > 0).sum()) for step in steps) / sum(step.size for step in steps),
                sum(not step.any() for step in steps),
            )
        )
    return found


@click.command()
@click.option("--preset", "config", default="nano", show_default=True, help="The checkpoint's preset.")
@click.option("--checkpoint", help="An int8 checkpoint.  [default: the preset's shipped one]")
@click.option(
    "--target", "targets", multiple=True, type=click.Choice(list(RUNS)), help="One of several.  [default: all]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(config: str, checkpoint: str | None, targets: tuple[str, ...], as_json: bool) -> None:
    """Compare every int8 layer alone with torch, in each runtime.

    \b
    Example:
      python -m benchmarks.single_layers --checkpoint int8.safetensors --target executorch
    """
    found = []
    with tempfile.TemporaryDirectory() as folder, shown_steps() as steps, one_thread():
        model = load_model(preset(config), checkpoint, quantized=True).model
        for target in targets or RUNS:
            steps.begin(f"converting the layers to {TARGETS[target].title} and running them")
            with silenced():
                found += differences(model, target, Path(folder))
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in found], indent=2))
        return
    print_table(
        ("target", "program", "layers", "most steps off", "values off", "layers without any"),
        (
            (
                TARGETS[entry.target].title,
                entry.program,
                str(entry.layers),
                f"{entry.worst_steps:g}",
                f"{entry.share_off:.1e}",
                str(entry.layers_without),
            )
            for entry in found
        ),
    )


if __name__ == "__main__":
    main()
