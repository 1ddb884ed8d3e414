"""Convolutions and matrix products of a `.pte`: XNNPACK's, and those that it left to the portable kernels."""

import math
from collections.abc import Iterator
from pathlib import Path

from executorch.exir import schema
from executorch.exir._serialize._program import PTEFile

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.parsing import PARSE_ERRORS
from tinysam2.mobile_runtime.pte_file import XNNPACK, open_pte
from tinysam2.validation.integers.products import (
    AS_STORED,
    INPUT_FIRST,
    OHWI,
    ONE_HWO,
    Contents,
    Product,
    StoredWeight,
)
from tinysam2.validation.integers.xnnpack_payload import Node, read_payload

PORTABLE = {"aten::mm": (0, 1), "aten::bmm": (0, 1), "aten::addmm": (1, 2), "aten::convolution": (0, 1)}
"""Portable kernel -> which of its arguments are the two factors."""


def read_contents(path: Path, programs: tuple[str, ...]) -> Contents:
    """All products of the methods named, in the file's order.

    Raises InputError where the file cannot be read, lacks a method, or multiplies in a way that is not known.
    """
    file = open_pte(path)
    plans = {plan.name: plan for plan in file.program.execution_plan}
    if missing := [program for program in programs if program not in plans]:
        raise InputError(f"{path} has no method {missing[0]}; convert again")
    try:
        return Contents([product for program in programs for product in _products(file, plans[program])])
    except PARSE_ERRORS as error:
        raise InputError(f"{path} cannot be read: {error}; convert again") from error


def _products(file: PTEFile, plan: schema.ExecutionPlan) -> Iterator[Product]:
    for step, instruction in enumerate(call for chain in plan.chains for call in chain.instructions):
        call = instruction.instr_args
        if isinstance(call, schema.DelegateCall):
            yield from _delegated(file, plan, step, plan.delegates[call.delegate_index])
        elif isinstance(call, schema.KernelCall):
            kernel = plan.operators[call.op_index].name
            if kernel in PORTABLE:
                yield _portable(plan, f"instruction {step} ({kernel})", kernel, call.args)


def _delegated(
    file: PTEFile, plan: schema.ExecutionPlan, step: int, delegate: schema.BackendDelegate
) -> Iterator[Product]:
    if delegate.id != XNNPACK:
        raise ValueError(f"{plan.name} is lowered to {delegate.id}, not to {XNNPACK}")

    def named(key: str) -> bytes:
        return bytes(file.named_data.buffers[file.named_data.pte_data[key].buffer_index])

    payload = bytes(file.program.backend_delegate_data[delegate.processed.index].data)
    for number, node in enumerate(read_payload(payload, named)):
        yield _product(plan.name, f"instruction {step}, product {number} ({node.kind})", node)


def _product(program: str, place: str, node: Node) -> Product:
    layout = {
        "fully connected": INPUT_FIRST if node.transposed else AS_STORED,
        "convolution": OHWI,
        "depthwise convolution": ONE_HWO,
    }.get(node.kind)
    if layout is None:
        contracted = node.input.shape[-1]
    else:
        contracted = math.prod(node.factor.shape) // node.factor.shape[layout.order[0]]
    weight: StoredWeight | None = None
    if layout is not None and node.factor.contents is not None:
        weight = layout.weight(node.factor.contents, node.factor.scale, None, node.factor.axis)
    return Product(
        program,
        place,
        math.prod(node.output.shape) * contracted,
        weight,
        node.input.rounding if weight is not None or node.factor.rounding else None,
        node.output.rounding,
        "" if node.limits is None else f"clamp to {node.limits[0]:g}..{node.limits[1]:g}",
    )


def _portable(plan: schema.ExecutionPlan, place: str, kernel: str, arguments: list[int]) -> Product:
    first, second = (plan.values[arguments[index]].val.sizes for index in PORTABLE[kernel])
    # The last argument is the output once more, for the caller.
    output = plan.values[arguments[-1]].val.sizes
    contracted = math.prod(second[1:]) if kernel == "aten::convolution" else first[-1]
    return Product(plan.name, place, math.prod(output) * contracted, None, None, None)
