"""ExecuTorch's own clock: the event trace (ETDump) of a `.pte`, with the operators that XNNPACK reports into it."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from executorch.devtools.etdump.schema_flatcc import ProfileEvent, RunData
from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc
from executorch.exir import schema
from executorch.exir.scalar_type import ScalarType
from executorch.extension.pybindings import portable_lib

from tinysam2.core.contract import ProgramSpec
from tinysam2.core.errors import InputError
from tinysam2.core.silencing import silenced
from tinysam2.mobile_runtime.pte_file import open_pte
from tinysam2.validation.profiling.operations import WARM_UPS, Operation, ProgramProfile, Time, Timeline

RUN, CALLED, DELEGATED = "Method::execute", "OPERATOR_CALL", "DELEGATE_CALL"
"""Names of the events that stand for a whole run, one kernel and one call of the delegate."""

REMAINDER = "XNNPACK call, outside its operators"

NANOSECONDS = 1e-6
"""Milliseconds in the trace's unit."""

REASONS = {
    "aten::native_layer_norm": "XNNPACK's partitioner takes no layer norm, nor a mean over the last axis alone",
}
"""Portable kernel that holds weights -> why it is not delegated."""

WEIGHTS = (ScalarType.FLOAT, ScalarType.HALF, ScalarType.CHAR)


def profile_program(
    path: Path, spec: ProgramSpec, inputs: Mapping[str, np.ndarray], runs: int, threads: int
) -> ProgramProfile:
    """The operations of one method. inputs: by the contract's names. threads: of the process's one pool.

    Raises InputError where the file cannot be read or lacks the method.
    """
    plans = {plan.name: plan for plan in open_pte(path).program.execution_plan}
    if spec.name not in plans:
        raise InputError(f"{path} has no method {spec.name}; convert again")
    with silenced():
        traced = _trace(path, spec, inputs, runs, threads)
    totals, timeline = Timeline(), Timeline()
    for run in traced:
        _add(run, totals, timeline)
    [(_, time)] = totals.times()
    described = _described(plans[spec.name])
    return ProgramProfile(
        spec.name, time, [_operation(spec.name, key, time, described) for key, time in timeline.times()]
    )


def _trace(
    path: Path, spec: ProgramSpec, inputs: Mapping[str, np.ndarray], runs: int, threads: int
) -> Sequence[Sequence[ProfileEvent]]:
    """The events of each run that counts."""
    portable_lib._unsafe_reset_threadpool(threads)
    module = portable_lib._load_for_executorch(str(path), enable_etdump=True)
    arguments = [torch.from_numpy(inputs[name]) for name in spec.input_names]
    for _ in range(WARM_UPS + runs):
        module.run_method(spec.name, arguments)
    with tempfile.TemporaryDirectory(prefix="tinysam2-") as folder:
        dump = Path(folder) / "trace.etdp"
        module.write_etdump_result_to_file(str(dump))
        trace = deserialize_from_etdump_flatcc(dump.read_bytes())
    return [_events(run) for run in trace.run_data if any(e.name == RUN for e in _events(run))][WARM_UPS:]


def _events(run: RunData) -> list[ProfileEvent]:
    return [event.profile_event for event in run.events or () if event.profile_event is not None]


def _add(run: Sequence[ProfileEvent], totals: Timeline, timeline: Timeline) -> None:
    """Adds one run's events: key (chain, instruction, operator), the operator None for a kernel, "" for what a call
    of the delegate takes beyond its operators."""
    inside: dict[tuple[int, int], float] = {}
    for event in run:
        milliseconds = (event.end_time - event.start_time) * NANOSECONDS
        place = event.chain_index, event.instruction_id
        if event.name == RUN:
            totals.add(RUN, milliseconds)
        elif event.delegate_debug_id_str:
            timeline.add((*place, event.delegate_debug_id_str), milliseconds)
            inside[place] = inside.get(place, 0.0) + milliseconds
        elif event.name == CALLED:
            timeline.add((*place, None), milliseconds)
        elif event.name == DELEGATED:
            timeline.add((*place, ""), milliseconds - inside.get(place, 0.0))


def _described(plan: schema.ExecutionPlan) -> dict[tuple[int, int], tuple[str, tuple]]:
    """Chain and instruction -> the kernel's name, and the shapes of the weights that it reads."""
    found = {}
    for chain_index, chain in enumerate(plan.chains):
        for index, instruction in enumerate(chain.instructions):
            call = instruction.instr_args
            if isinstance(call, schema.KernelCall):
                found[chain_index, index] = plan.operators[call.op_index].name, tuple(_weights(plan, call))
    return found


def _weights(plan: schema.ExecutionPlan, call: schema.KernelCall):
    for index in dict.fromkeys(call.args):
        value = plan.values[index].val
        stored = isinstance(value, schema.Tensor) and value.data_buffer_idx and value.scalar_type in WEIGHTS
        if stored and math.prod(value.sizes) > 1:
            yield tuple(value.sizes)


def _operation(program: str, key, time: Time, described: Mapping[tuple[int, int], tuple[str, tuple]]) -> Operation:
    chain, instruction, operator = key
    place = f"instruction {instruction}"
    node = f"{program}_{chain}_{instruction}"
    if operator is None:
        name, weights = described[chain, instruction]
        return Operation(name, place, time, False, weights, REASONS.get(name), node)
    return Operation(operator or REMAINDER, place, time, True, node=node)
