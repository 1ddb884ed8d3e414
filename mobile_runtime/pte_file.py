"""A `.pte` file as ExecuTorch's own schema describes it, opened in one place for all that read it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from executorch.exir import schema
from executorch.exir._serialize._program import PTEFile, deserialize_pte_binary

from tinysam2.core.contract import ProgramSpec, TensorSpec
from tinysam2.mobile_runtime.layout import Layouts, ProgramLayout, TensorLayout
from tinysam2.mobile_runtime.parsing import parsed

KIND = ".pte"

XNNPACK = "XnnpackBackend"
"""The delegate's id in a file."""


def open_pte(path: Path) -> PTEFile:
    """A file's program, named data and segments. Raises InputError where it cannot be read."""
    with parsed(path, KIND):
        return deserialize_pte_binary(path.read_bytes())


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
