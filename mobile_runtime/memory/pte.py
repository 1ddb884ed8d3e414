"""What a `.pte` tells of its memory: the arena planned for each method, and the weights that each method reads."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from executorch.exir import schema
from executorch.exir._serialize._program import PTEFile
from executorch.exir.tensor import get_scalar_type

from tinysam2.core.contract import ProgramSpec
from tinysam2.mobile_runtime.memory.accounting import Peak, peak
from tinysam2.mobile_runtime.memory.liveness import BEFORE, Lifetime
from tinysam2.mobile_runtime.parsing import parsed
from tinysam2.mobile_runtime.pte_file import KIND, open_pte

NAMED_DATA_KEY = re.compile(rb"[0-9a-f]{64}")
"""How XNNPACK's part of a method names a weight that lies in the file: by its sha256."""


@dataclass(frozen=True)
class PTEMemory:
    """Bytes of all weights in the file, and by method its weights and planned activations."""

    weights: int
    methods: Mapping[str, tuple[int, Peak]]


def read_pte_memory(path: Path, contract: Mapping[str, ProgramSpec]) -> PTEMemory:
    """Reads a file's own plan; XNNPACK's workspace, which it takes when it runs, is not in it.

    Tensors have no names in the file: those at the border get the contract's, others are told by number and shape.
    Raises InputError where the file cannot be read.
    """
    file = open_pte(path)
    with parsed(path, KIND):
        stored = {plan.name: _stored(file, plan) for plan in file.program.execution_plan}
        return PTEMemory(
            sum({place: size for places in stored.values() for place, size in places.items()}.values()),
            {
                plan.name: (sum(stored[plan.name].values()), _planned(plan, contract.get(plan.name)))
                for plan in file.program.execution_plan
            },
        )


def _stored(file: PTEFile, plan: schema.ExecutionPlan) -> dict[tuple[str, int], int]:
    """Bytes of each place in the file that a method reads: constants, and what its delegates hold and name."""
    program, places = file.program, {}
    for value in plan.values:
        tensor = value.val
        if isinstance(tensor, schema.Tensor) and tensor.allocation_info is None and tensor.data_buffer_idx:
            index = tensor.data_buffer_idx
            places["constant", index] = len(program.constant_buffer[index].storage)
    for delegate in plan.delegates:
        index = delegate.processed.index
        payload = program.backend_delegate_data[index].data
        places["delegate", index] = len(payload)
        for key in NAMED_DATA_KEY.findall(payload):
            if file.named_data and (entry := file.named_data.pte_data.get(key.decode())):
                places["named", entry.buffer_index] = len(file.named_data.buffers[entry.buffer_index])
    return places


def _planned(plan: schema.ExecutionPlan, spec: ProgramSpec | None) -> Peak:
    names = {}
    if spec:
        borders = (*zip(plan.inputs, spec.input_names, strict=True), *zip(plan.outputs, spec.output_names, strict=True))
        names = dict(borders)
    instructions = [call.instr_args for chain in plan.chains for call in chain.instructions]
    first, last = dict.fromkeys(plan.inputs, BEFORE), dict.fromkeys(plan.inputs, BEFORE)
    for step, call in enumerate(instructions):
        for index in getattr(call, "args", ()):
            first.setdefault(index, step)
            last[index] = step
    last.update(dict.fromkeys(plan.outputs, len(instructions)))
    lifetimes = []
    for index, step in first.items():
        tensor = plan.values[index].val
        if isinstance(tensor, schema.Tensor) and tensor.allocation_info:
            size = math.prod(tensor.sizes) * get_scalar_type(tensor.scalar_type).itemsize
            lifetimes.append(Lifetime(names.get(index, f"value {index} {tensor.sizes}"), size, step, last[index]))
    # The first buffer is reserved and always empty.
    arena = sum(plan.non_const_buffer_sizes[1:])
    return peak(lifetimes, [_title(plan, step, call) for step, call in enumerate(instructions)], planned=arena)


def _title(plan: schema.ExecutionPlan, step: int, call: schema.InstructionArguments) -> str:
    what = type(call).__name__
    if isinstance(call, schema.KernelCall):
        what = plan.operators[call.op_index].name
    elif isinstance(call, schema.DelegateCall):
        what = plan.delegates[call.delegate_index].id
    return f"instruction {step} ({what})"
