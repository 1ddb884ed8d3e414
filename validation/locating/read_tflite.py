"""Intermediate values of a `.tflite`: LiteRT's interpreter without its delegate, which would hide them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.parsing import parsed
from tinysam2.mobile_runtime.tflite_file import KIND, open_tflite
from tinysam2.validation.locating.intermediates import Intermediates, Values


class LiteRTIntermediates(Intermediates):
    """What every operator of a signature computes.

    Raises InputError where the file cannot be read.
    """

    runtime = "LiteRT's own kernels, without XNNPACK"

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._runners, self._results = {}, {}
        for path in dict.fromkeys(files.values()):
            # Before the runtime sees it.
            results = float_results(path)
            try:
                interpreter = Interpreter(
                    model_path=str(path),
                    num_threads=1,
                    experimental_preserve_all_tensors=True,
                    experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                )
                for program in (program for program, file in files.items() if file == path):
                    self._runners[program] = (interpreter, interpreter.get_signature_runner(program))
                    self._results[program] = results[program]
            except (ValueError, RuntimeError, KeyError) as error:
                raise InputError(f"{path} cannot be opened to its values; it is corrupt, convert again") from error

    def run(self, program: str, inputs: Mapping[str, np.ndarray]) -> Values:
        interpreter, runner = self._runners[program]
        outputs = runner(**inputs)
        graph, results = self._results[program]
        computed = tuple(interpreter.get_tensor(index, graph).copy() for index in results)
        return Values(computed, tuple(outputs[f"output_{number}"] for number in range(len(outputs))))


def float_results(path: Path) -> dict[str, tuple[int, list[int]]]:
    """Of each signature its graph, and the float tensors that operators compute, in their order."""
    _, model = open_tflite(path)
    found = {}
    with parsed(path, KIND):
        for signature in model.signatureDefs:
            graph = model.subgraphs[signature.subgraphIndex]
            computed = (index for operator in graph.operators for index in operator.outputs)
            floats = [int(index) for index in computed if graph.tensors[index].type == schema.TensorType.FLOAT32]
            found[signature.signatureKey.decode()] = (signature.subgraphIndex, floats)
    return found


def open_values(files: Mapping[str, Path]) -> Intermediates:
    """A target's files, program -> file, opened to their values."""
    return LiteRTIntermediates(files)
