"""Intermediate values of a `.pte`: a copy of the file gives them as outputs, and the runtime itself computes them."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from executorch.exir import schema
from executorch.exir._serialize._program import PTEFile, serialize_pte_binary
from executorch.exir.scalar_type import ScalarType
from executorch.runtime import Runtime, Verification

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.pte_file import XNNPACK, open_pte
from tinysam2.validation.locating.intermediates import Intermediates, Values
from tinysam2.validation.locating.xnnpack_taps import tapped

VIEW = "executorch_prim::et_view"
ARENA = 1
"""The memory that a method's own tensors are planned in."""
ALIGNMENT = 64


class ExecuTorchIntermediates(Intermediates):
    """Tensors of a method that the delegate computes inside, or that lie between its parts.

    Raises InputError where the file cannot be read, or a method is lowered to something other than XNNPACK.
    """

    runtime = "ExecuTorch with XNNPACK, every value made an output, which keeps it from fusing"

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._methods, self._programs = {}, []
        for path in dict.fromkeys(files.values()):
            programs = [program for program, file in files.items() if file == path]
            file = open_pte(path)
            try:
                plans = [plan for plan in file.program.execution_plan if plan.name in programs]
                own = {plan.name: len(plan.outputs) for plan in plans}
                for plan in plans:
                    _tap(file, plan)
                data = bytes(serialize_pte_binary(file, extract_delegate_segments=True))
                loaded = Runtime.get().load_program(data, verification=Verification.Minimal)
                # A program must outlive its methods.
                self._programs.append((loaded, data))
                self._methods.update({name: (loaded.load_method(name), count) for name, count in own.items()})
            except InputError:
                raise
            except Exception as error:
                raise InputError(f"{path} cannot be opened to its values ({error}); convert again") from error

    def run(self, program: str, inputs: Mapping[str, np.ndarray]) -> Values:
        method, own = self._methods[program]
        given = method.execute([torch.from_numpy(value) for value in inputs.values()])
        values = tuple(value.numpy().copy() for value in given)
        return Values(values, values[-own:])


def _tap(file: PTEFile, plan: schema.ExecutionPlan) -> None:
    """Makes every float tensor that a method computes its output, in the order in which they are computed.

    The method's own outputs come last. Each tensor gets memory of its own: what is planned is used again.
    """
    arena, own = _Arena(plan), list(plan.outputs)
    seen = {*plan.inputs, *own}
    plan.outputs = []
    for call in (step.instr_args for chain in plan.chains for step in chain.instructions):
        if isinstance(call, schema.DelegateCall):
            made = list(_tap_delegate(file, plan, call, arena))
            seen.update(made)
        elif isinstance(call, schema.KernelCall):
            made = []
        else:
            raise InputError(f"{plan.name} branches, which this version cannot follow; convert again")
        for index in call.args:
            if index not in seen and _is_computed(plan.values[index].val):
                seen.add(index)
                if isinstance(call, schema.KernelCall) and plan.operators[call.op_index].name == VIEW:
                    # It lies where the tensor that it views does.
                    plan.values[index].val.allocation_info = plan.values[call.args[0]].val.allocation_info
                else:
                    arena.place(plan.values[index].val)
                made.append(index)
        plan.outputs += [index for index in made if plan.values[index].val.scalar_type == ScalarType.FLOAT]
    plan.outputs += own


def _tap_delegate(
    file: PTEFile, plan: schema.ExecutionPlan, call: schema.DelegateCall, arena: "_Arena"
) -> Iterator[int]:
    delegate = plan.delegates[call.delegate_index]
    if delegate.id != XNNPACK:
        raise InputError(f"{plan.name} is lowered to {delegate.id}, not to {XNNPACK}; its values cannot be read")
    stored = file.program.backend_delegate_data[delegate.processed.index]
    stored.data, taps = tapped(bytes(stored.data))
    # The runtime's last argument numbers stand behind those that the delegate was made with.
    for tap in taps:
        tensor = schema.Tensor(
            scalar_type=ScalarType.FLOAT,
            storage_offset=0,
            sizes=list(tap.shape),
            dim_order=list(range(len(tap.shape))),
            requires_grad=False,
            layout=0,
            data_buffer_idx=0,
            allocation_info=None,
            shape_dynamism=schema.TensorShapeDynamism.STATIC,
        )
        arena.place(tensor)
        plan.values.append(schema.EValue(tensor))
        assert tap.argument == len(call.args)
        call.args.append(len(plan.values) - 1)
        yield len(plan.values) - 1


def _is_computed(value: object) -> bool:
    return isinstance(value, schema.Tensor) and value.data_buffer_idx == 0 and value.allocation_info is not None


class _Arena:
    """Memory behind what a method plans."""

    def __init__(self, plan: schema.ExecutionPlan) -> None:
        self.sizes = plan.non_const_buffer_sizes

    def place(self, tensor: schema.Tensor) -> None:
        offset = -(-self.sizes[ARENA] // ALIGNMENT) * ALIGNMENT
        # Every type is at most eight bytes.
        self.sizes[ARENA] = offset + 8 * max(1, math.prod(tensor.sizes))
        tensor.allocation_info = schema.AllocationDetails(ARENA, offset & 0xFFFFFFFF, offset >> 32)


def open_values(files: Mapping[str, Path]) -> Intermediates:
    """A target's files, program -> file, opened to their values."""
    return ExecuTorchIntermediates(files)
