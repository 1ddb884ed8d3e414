"""Layout gates: every input and output of every program is contiguous in memory."""

from collections.abc import Iterator

from tinysam2.mobile_runtime.layout import Layouts
from tinysam2.validation.gate import Gate

REASON = "an app passes a tensor's memory on, and no runtime compares its layout with what the next program reads"


def layout_gates(layouts: Layouts | None) -> Iterator[Gate]:
    """A verdict on each program's tensors; none where the artifact does not tell their layout."""
    for program, layout in (layouts or {}).items():
        wrong = [tensor for tensor in layout.tensors if not tensor.contiguous]
        found = "; ".join(
            f"{tensor.name} {list(tensor.shape)} has dimension order {list(tensor.dim_order)}, "
            f"strides {list(tensor.strides)}"
            for tensor in wrong
        )
        yield Gate(program, "tensors not contiguous", len(wrong), 0, False, REASON, found)
