"""A `.pte` file as ExecuTorch's own schema describes it, opened in one place for all that read it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from executorch.exir import schema
from executorch.exir._serialize._flatbuffer_program import _patch_generated_flatbuffer_aliases
from executorch.exir._serialize._program import PTEFile, _get_extended_header, deserialize_pte_binary
from executorch.exir._serialize.generated.executorch_flatbuffer.Program import Program

from tinysam2.core.contract import ProgramSpec, TensorSpec
from tinysam2.mobile_runtime.flatbuffer_size import check_size
from tinysam2.mobile_runtime.layout import Layouts, ProgramLayout, TensorLayout
from tinysam2.mobile_runtime.parsing import parsed

KIND = ".pte"

XNNPACK = "XnnpackBackend"
"""The delegate's id in a file."""


def open_pte(path: Path) -> PTEFile:
    """A file's program, named data and segments. Raises InputError where it cannot be read."""
    with parsed(path, KIND):
        data = path.read_bytes()
        _check_size(data)
        return deserialize_pte_binary(data)


def _check_size(data: bytes) -> None:
    """Raises ValueError where the file seems to hold more than it can."""
    header = _get_extended_header(data)
    # ExecuTorch's generated modules name each other; its own reader makes these names classes first.
    _patch_generated_flatbuffer_aliases()
    root = Program.GetRootAs(data[: header.program_size] if header else data, 0)
    check_size(root)
    # The reader copies each segment.
    if sum(root.Segments(number).Size() for number in range(root.SegmentsLength())) > len(data):
        raise ValueError("its segments seem to be larger than the file")


def read_layouts(path: Path, contract: Mapping[str, ProgramSpec]) -> Layouts:
    """The dimension order of every input and output of the contract's methods, as the file states it.

    The runtime hands outputs over in that order and does not compare it with what the next method reads.
    Raises InputError where the file cannot be read.
    """
    plans = {plan.name: plan for plan in open_pte(path).program.execution_plan}

    def layouts(plan: schema.ExecutionPlan, indices: Sequence[int], specs: Sequence[TensorSpec]):
        tensors = (plan.values[index].val for index in indices)
        for spec, tensor in zip(specs, tensors, strict=True):
            if not isinstance(tensor, schema.Tensor):
                raise TypeError(f"{spec.name} is no tensor")
            yield TensorLayout(spec.name, tuple(tensor.sizes), tuple(map(int, tensor.dim_order)))

    with parsed(path, KIND):
        return {
            name: ProgramLayout(
                tuple(layouts(plans[name], plans[name].inputs, spec.inputs)),
                tuple(layouts(plans[name], plans[name].outputs, spec.outputs)),
            )
            for name, spec in contract.items()
            if name in plans
        }
