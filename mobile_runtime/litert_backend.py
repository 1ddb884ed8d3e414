"""LiteRT: the signatures of a `.tflite`, run by its interpreter."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from mobile_runtime.backend import Backend, ProgramMemory, check_shapes
from models.artifacts import ArtifactCard
from models.errors import InputError


class LiteRTBackend(Backend):
    """Runs the artifact that a card names, in a folder, on one thread.

    Raises InputError where the file is corrupt or belongs to another preset.
    """

    target = "tflite"
    runtime = "LiteRT with XNNPACK, on this processor"

    def __init__(self, folder: Path, card: ArtifactCard) -> None:
        super().__init__(card.config, card.io_dtype)
        self.paths = {program: folder / file for program, file in card.files.items()}
        self.live_bytes = {path: _live_bytes(path) for path in set(self.paths.values())}
        # An interpreter's signatures share one arena, so each program has its own interpreter.
        self.runners = {name: self._load(name, path) for name, path in self.paths.items()}

    def _load(self, name: str, path: Path):
        try:
            interpreter = Interpreter(model_path=str(path), num_threads=1)
            # Here rather than in the first run, where the delegate's announcement would reach the terminal.
            interpreter.allocate_tensors()
            runner = interpreter.get_signature_runner(name)
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path} is not a readable .tflite file with a signature {name}; convert again") from error
        spec = self.contract[name]
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        if set(inputs) != set(spec.input_names) or set(outputs) != set(_output_names(spec)):
            raise InputError(f"{path}: {name} does not have the inputs and outputs of preset {self.config.name}")
        check_shapes(
            str(path),
            spec,
            self.config.name,
            [tuple(inputs[tensor]["shape"]) for tensor in spec.input_names],
            [tuple(outputs[tensor]["shape"]) for tensor in _output_names(spec)],
        )
        return runner

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        spec = self.contract[program]
        outputs = self.runners[program](**inputs)
        return dict(zip(spec.output_names, (outputs[name] for name in _output_names(spec)), strict=True))

    def memory(self) -> Mapping[str, ProgramMemory]:
        return {
            name: ProgramMemory(path.stat().st_size, self.live_bytes[path][name], "estimated", *self.border_bytes(name))
            for name, path in self.paths.items()
        }


def _output_names(spec) -> list[str]:
    """The converter's names of a program's outputs, in order."""
    return [f"output_{i}" for i in range(len(spec.outputs))]


def _live_bytes(path: Path) -> dict[str, int]:
    """The most bytes of tensors alive at once, by signature, in the file's order of operators.

    An estimate: the runtime's arena aligns and packs, and its delegate keeps a workspace of its own.
    """
    data = path.read_bytes()
    if not schema.Model.ModelBufferHasIdentifier(data, 0):
        raise InputError(f"{path} is not a .tflite file; it is corrupt or something else, convert again")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        return {
            signature.signatureKey.decode(): _subgraph_live_bytes(model, model.subgraphs[signature.subgraphIndex])
            for signature in model.signatureDefs
        }
    except Exception as error:
        raise InputError(f"{path} is not a readable .tflite file; it is corrupt or cut short, convert again") from error


_ITEM_BYTES = {
    schema.TensorType.FLOAT32: 4,
    schema.TensorType.FLOAT16: 2,
    schema.TensorType.INT64: 8,
    schema.TensorType.INT32: 4,
    schema.TensorType.INT16: 2,
    schema.TensorType.INT8: 1,
    schema.TensorType.UINT8: 1,
    schema.TensorType.BOOL: 1,
}


def _subgraph_live_bytes(model: schema.ModelT, graph: schema.SubGraphT) -> int:
    last_step = len(graph.operators)
    first, last = dict.fromkeys(graph.inputs, 0), dict.fromkeys(graph.inputs, 0)
    for step, operator in enumerate(graph.operators):
        for index in operator.outputs:
            first.setdefault(index, step)
            last[index] = step
        for index in operator.inputs:
            if index in first:
                last[index] = step
    last.update(dict.fromkeys(graph.outputs, last_step))

    alive = np.zeros(last_step + 1, np.int64)
    for index, step in first.items():
        tensor = graph.tensors[index]
        shape = tensor.shape if tensor.shape is not None else ()
        alive[step : last[index] + 1] += int(np.prod(shape)) * _ITEM_BYTES[tensor.type]
    return int(alive.max())


def load(folder: Path, card: ArtifactCard) -> Backend:
    """The backend of a card's artifacts."""
    return LiteRTBackend(folder, card)
