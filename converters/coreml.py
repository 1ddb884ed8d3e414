"""Core ML: one `.mlpackage` (ML Program, iOS 17) a program."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import coremltools as ct
import numpy as np
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813 - the toolchain's own name for it
from coremltools.converters.mil.mil import Operation, Program
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import register_pass

from tinysam2.converters.export import ExportedModel
from tinysam2.core.files import atomic_path

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://developer.apple.com/documentation/coreml")
"""Of the identifiers of a package's items, which are made from their paths."""

TRIGONOMETRIC = {"sin", "cos"}
"""Their arguments are angles of many radians, which fp16 rounds to a few hundredths."""

ORDERING = {"less", "greater", "less_equal", "greater_equal", "equal", "clip", "round"}
"""Their outcome is a choice, which rounding could turn. Clipped and rounded are whole numbers of up to 24 bits."""

ARITHMETIC = {
    "add", "avg_pool", "cast", "concat", "expand_dims", "gather", "identity", "linear", "matmul", "mul", "real_div",
    "reduce_max", "reduce_sum", "reshape", "rsqrt", "sigmoid", "slice_by_index", "square", "squeeze", "sub", "tile",
    "transpose",
}  # fmt: skip
"""Operations through which a value's precision reaches a sine or a comparison."""

REACH = 16
"""Operations looked ahead from a value to the sines and comparisons that depend on it."""


def convert(
    programs: Sequence[ExportedModel],
    precision: str,
    folder: Path,
    progress: Callable[[str], None] = lambda stage: None,
) -> Mapping[str, str]:
    """Writes `<program>.mlpackage` for every program into `folder`; returns program -> file name.

    precision: fp32; fp16 with angles and comparisons kept in fp32; or int8, whose float operations are in fp32. In
    fp16 inputs and outputs are fp16 too, so that the memory bank takes two bytes a value on the phone.
    """
    half = precision == "fp16"
    dtype = np.float16 if half else np.float32
    files = {}
    for exported in programs:
        spec = exported.program.spec
        progress(f"converting {spec.name}")
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
            _make_reproducible(temporary)
    return files


def _make_reproducible(package: Path) -> None:
    """Rewrites what coremltools writes anew each time: the manifest's random identifiers, and the order of maps."""
    manifest = json.loads((package / "Manifest.json").read_text(encoding="utf-8"))
    names = {old: str(uuid.uuid5(_NAMESPACE, item["path"])) for old, item in manifest["itemInfoEntries"].items()}
    items = {names[old]: item for old, item in manifest["itemInfoEntries"].items()}
    manifest["itemInfoEntries"] = dict(sorted(items.items()))
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    (package / "Manifest.json").write_text(json.dumps(manifest, indent=4) + "\n", encoding="utf-8")
    [model] = package.glob("Data/*/*.mlmodel")
    spec = ct.proto.Model_pb2.Model.FromString(model.read_bytes())
    model.write_bytes(spec.SerializeToString(deterministic=True))


def _passes() -> ct.PassPipeline:
    passes = ct.PassPipeline.DEFAULT
    # It rewrites the scales of quantized values around an addition: the integers would be others than trained.
    passes.remove_passes({"common::distributive_quantized_binary_op_scale_normalization"})
    passes.append_pass("tinysam2::unsigned_weights")
    return passes


@register_pass(namespace="tinysam2")
class unsigned_weights(AbstractGraphPass):  # noqa: N801 - the pass's name
    """Stores int8 weights as uint8 with a zero point of 128: the same numbers, and the encoding that Apple's GPU and
    Neural Engine are not reported to misread (docs/toolchain.md#core-ml-weights)."""

    def apply(self, prog: Program) -> None:
        for function in prog.functions.values():
            with function:
                for operation in list(function.operations):
                    if operation.op_type == "constexpr_affine_dequantize":
                        _store_unsigned(operation)


def _store_unsigned(operation: Operation) -> None:
    if operation.quantized_data.val.dtype != np.int8:
        return
    block = operation.enclosing_block
    stored = mb.constexpr_affine_dequantize(
        quantized_data=_unsigned(operation.quantized_data.val),
        zero_point=_unsigned(operation.zero_point.val),
        scale=operation.scale.val,
        axis=operation.axis.val,
        name=operation.name,
        before_op=operation,
    )
    block.replace_uses_of_var_after_op(
        anchor_op=operation, old_var=operation.outputs[0], new_var=stored, force_replace=True
    )
    block.remove_ops([operation])


def _unsigned(values: np.ndarray) -> np.ndarray:
    """int8 values, each 128 higher, as uint8."""
    return (np.asarray(values).astype(np.int16) + 128).astype(np.uint8)


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
