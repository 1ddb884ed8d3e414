"""Core ML: one `.mlpackage` (ML Program, iOS 17) a program."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import coremltools as ct
import numpy as np
from coremltools.converters.mil.mil import Operation

from tinysam2.converters.export import ExportedModel
from tinysam2.core.files import atomic_path

TRIGONOMETRIC = {"sin", "cos"}
"""Their arguments are angles of many radians, which fp16 rounds to a few hundredths."""

ORDERING = {"less", "greater", "less_equal", "greater_equal", "equal"}
"""Their outcome is a choice, which rounding could turn."""

ARITHMETIC = {
    "add", "avg_pool", "cast", "concat", "expand_dims", "gather", "identity", "linear", "matmul", "mul", "real_div",
    "reduce_max", "reduce_sum", "reshape", "rsqrt", "sigmoid", "slice_by_index", "square", "squeeze", "sub", "tile",
    "transpose",
}  # fmt: skip
"""Operations through which a value's precision reaches a sine or a comparison."""

REACH = 12
"""Operations looked ahead from a value to the sines and comparisons that depend on it."""


def convert(programs: Sequence[ExportedModel], precision: str, folder: Path) -> Mapping[str, str]:
    """Writes `<program>.mlpackage` for every program into `folder`; returns program -> file name.

    precision: fp32; fp16 with angles and comparisons kept in fp32; or int8, whose float operations are in fp32. In
    fp16 inputs and outputs are fp16 too, so that the memory bank takes two bytes a value on the phone.
    """
    half = precision == "fp16"
    dtype = np.float16 if half else np.float32
    files = {}
    for exported in programs:
        spec = exported.program.spec
        package = ct.convert(
            exported.graph.run_decompositions({}),
            inputs=[ct.TensorType(tensor.name, tensor.shape, dtype) for tensor in spec.inputs],
            outputs=[ct.TensorType(tensor.name, dtype=dtype) for tensor in spec.outputs],
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=_fp16_but_for_choices() if half else ct.precision.FLOAT32,
            pass_pipeline=_passes(),
            skip_model_load=True,
        )
        package.short_description = f"TinySAM 2, {spec.name}"
        for tensor in spec.inputs:
            package.input_description[tensor.name] = tensor.meaning
        for tensor in spec.outputs:
            package.output_description[tensor.name] = tensor.meaning
        files[spec.name] = f"{spec.name}.mlpackage"
        with atomic_path(folder / files[spec.name]) as temporary:
            package.save(str(temporary))
            # A map for ExecuTorch's own Core ML delegate, which has no business in an app's package.
            (temporary / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)
    return files


def _passes() -> ct.PassPipeline:
    passes = ct.PassPipeline.DEFAULT
    # It rewrites the scales of quantized values around an addition: the integers would be others than trained.
    passes.remove_passes({"common::distributive_quantized_binary_op_scale_normalization"})
    return passes


def _fp16_but_for_choices() -> ct.transform.FP16ComputePrecision:
    return ct.transform.FP16ComputePrecision(op_selector=lambda operation: not _decides(operation, REACH))


def _decides(operation: Operation, reach: int) -> bool:
    """Whether an operation is, or feeds by plain arithmetic, a sine, a cosine or a comparison."""
    # Breadth first, each operation once: the paths through branches that join again double with each of them.
    level, seen = {operation}, {operation}
    for _ in range(reach + 1):
        if any(reached.op_type in TRIGONOMETRIC | ORDERING for reached in level):
            return True
        carrying = [reached for reached in level if reached.op_type in ARITHMETIC]
        level = {follower for carrier in carrying for output in carrier.outputs for follower in output.child_ops} - seen
        seen |= level
    return False
