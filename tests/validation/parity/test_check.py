"""The float model passes its own parity check, and each kind of fault is caught by a gate that names it."""

from collections.abc import Callable

import numpy as np
import pytest

from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER, NEXT
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.validation.memory.gates import memory_gates
from tinysam2.validation.parity.check import ParityCheck
from tinysam2.validation.parity.gates import parity_gates
from tinysam2.validation.parity.recording import RecordingBackend

Tensors = dict[str, np.ndarray]


class FaultyBackend(Backend):
    """The float model with something wrong in what it answers."""

    target, runtime = "faulty", "a test"

    def __init__(self, backend: Backend, fault: Callable[[str, Tensors, Tensors], Tensors]) -> None:
        super().__init__(backend.config)
        self.backend, self.fault = backend, fault

    def execute(self, program, inputs):
        return self.fault(program, inputs, self.backend.execute(program, inputs))


@pytest.fixture
def caught(check, nano_backend):
    """The gates that a fault does not pass, at fp32's limits."""

    def failing(fault: Callable[[str, Tensors, Tensors], Tensors]) -> list[tuple[str, str]]:
        result = check(FaultyBackend(nano_backend, fault))
        gates = (
            *parity_gates("fp32", result.programs(), result.chain()),
            *memory_gates(nano_backend.config, {}, result.chain()),
        )
        return [(gate.subject, gate.measure) for gate in gates if not gate.passed]

    return failing


def test_the_float_model_agrees_with_itself_to_the_last_bit(check, nano_backend):
    result = check(nano_backend)
    for program in result.programs():
        assert program.sqnr_db == 200
        assert {(t.cosine > 0.999999, t.max_abs_error) for t in program.tensors} == {(True, 0.0)}
    for measure in ("same_tokens", "same_slots", "same_levels"):
        assert [getattr(program, measure) for program in result.programs()] == [None, None, None, 1.0]
    [clip] = result.chain().clips
    assert clip.iou_by_frame == (1.0, 1.0, 1.0)


def test_every_program_is_replayed_as_often_as_the_float_model_called_it(check, nano_backend):
    calls = {program.program: program.calls for program in check(nano_backend).programs()}
    assert calls == {IMAGE_ENCODER: 3, MEMORY_ATTENTION: 6, MASK_DECODER: 6, MEMORY_ENCODER: 6}


def test_every_output_of_the_contract_is_measured(check, nano_backend):
    for program in check(nano_backend).programs():
        measured = tuple(tensor.name for tensor in program.tensors)
        assert measured == nano_backend.contract[program.program].output_names


def test_the_banks_tokens_and_bytes_are_one_objects(check, nano_backend):
    chain = check(nano_backend).chain()
    elements = sum(int(np.prod(t.shape)) for t in nano_backend.contract[MEMORY_ENCODER].outputs)
    assert chain.memory_tokens == 124
    assert chain.bank_bytes == 4 * elements


def test_what_is_right_fails_no_gate(caught):
    assert caught(lambda program, inputs, outputs: outputs) == []


@pytest.mark.parametrize("faulty", [IMAGE_ENCODER, MEMORY_ATTENTION, MASK_DECODER])
def test_an_error_of_a_thousandth_is_caught_by_its_programs_sqnr(caught, faulty):
    def fault(program, inputs, outputs):
        return {n: v * np.float32(1.001) for n, v in outputs.items()} if program == faulty else outputs

    failing = caught(fault)
    assert (faulty, "SQNR dB") in failing
    assert {subject for subject, _ in failing} <= {faulty, "clip", "clips"}


def test_one_wrong_output_among_several_is_caught_by_its_programs_sqnr(caught):
    def fault(program, inputs, outputs):
        if program == MASK_DECODER:
            outputs["object_pointer"] = outputs["object_pointer"] + np.float32(0.01)
        return outputs

    assert (MASK_DECODER, "SQNR dB") in caught(fault)


def test_two_outputs_of_one_shape_in_each_others_place_are_caught_by_the_mask_decoders_sqnr(caught):
    def fault(program, inputs, outputs):
        if program == MASK_DECODER:
            return {**outputs, "iou": outputs["object_score"], "object_score": outputs["iou"]}
        return outputs

    assert (MASK_DECODER, "SQNR dB") in caught(fault)


def test_a_bank_that_is_not_updated_is_caught_by_the_memory_encoder_and_by_the_clip(caught):
    def fault(program, inputs, outputs):
        return {n: inputs[n.removeprefix(NEXT)] for n in outputs} if program == MEMORY_ENCODER else outputs

    failing = caught(fault)
    assert (MEMORY_ENCODER, "same slots") in failing
    assert ("clip", "least mask IoU") in failing


def another_slot(program: str, inputs: Tensors, outputs: Tensors) -> Tensors:
    """The memory encoder's answers with the first two recent slots in each other's place."""
    if program != MEMORY_ENCODER:
        return outputs
    swapped = {name: value.copy() for name, value in outputs.items()}
    pooled, kept = 64, 10
    first, second = slice(pooled, pooled + kept), slice(pooled + kept, pooled + 2 * kept)
    for name in ("memory_tokens", "memory_xy"):
        swapped[NEXT + name][:, first] = outputs[NEXT + name][:, second]
        swapped[NEXT + name][:, second] = outputs[NEXT + name][:, first]
    for name in ("slot_age", "slot_quality"):
        swapped[NEXT + name][:, [1, 2]] = outputs[NEXT + name][:, [2, 1]]
    return swapped


def test_another_slot_written_is_told_by_the_slots_and_not_by_values_that_were_never_to_be_equal(caught):
    failing = caught(another_slot)
    assert (MEMORY_ENCODER, "same slots") in failing
    assert not {(MEMORY_ENCODER, "SQNR dB"), (MEMORY_ENCODER, "same tokens")} & set(failing)


@pytest.mark.parametrize(
    ("levels", "caught_by"), [(1, {"same levels"}), (0.5, {"same levels", "SQNR dB"}), (2, {"same levels", "SQNR dB"})]
)
def test_qualities_off_by_a_level_are_counted_and_by_more_are_errors(caught, levels, caught_by):
    def fault(program, inputs, outputs):
        if program == MEMORY_ENCODER:
            written = outputs[NEXT + "slot_age"] == 0
            outputs[NEXT + "slot_quality"] = outputs[NEXT + "slot_quality"] - np.float32(levels / 16) * written
        return outputs

    assert {measure for subject, measure in caught(fault) if subject == MEMORY_ENCODER} == caught_by


def test_a_quality_that_changes_after_it_was_written_is_caught_by_the_memory_encoders_sqnr(caught):
    def fault(program, inputs, outputs):
        if program == MEMORY_ENCODER:
            kept = outputs[NEXT + "slot_age"] > 0
            outputs[NEXT + "slot_quality"] = outputs[NEXT + "slot_quality"] - np.float32(1 / 16) * kept
        return outputs

    assert (MEMORY_ENCODER, "SQNR dB") in caught(fault)


def test_a_clip_begins_without_what_was_remembered_of_the_last(nano_backend, followed, scene):
    check = ParityCheck(nano_backend)
    for _ in range(2):
        check.begin(scene)
        for frame in followed:
            check.follow(frame.picture, frame.prompts, frame.tracked)
        check.finish()
    assert [clip.iou_by_frame for clip in check.chain().clips] == [(1.0, 1.0, 1.0)] * 2


def test_sqnr_is_told_by_the_state_of_the_bank(nano_backend, followed, scene):
    def fault(program, inputs, outputs):
        if program == MEMORY_ENCODER and inputs["is_prompted"].item():
            outputs[NEXT + "memory_tokens"] = outputs[NEXT + "memory_tokens"] * np.float32(1.001)
        return outputs

    check = ParityCheck(FaultyBackend(nano_backend, fault))
    check.begin(scene)
    for frame in followed:
        for call in (call for call in frame.calls if call.program == MEMORY_ENCODER):
            check.replay(call, ("prompted",) if call.inputs["is_prompted"].item() else ("not",))
        check.follow(frame.picture, frame.prompts, frame.tracked)
    check.finish()
    [clip] = check.chain().clips
    assert clip.sqnr_by_state == {"prompted": pytest.approx(60, abs=0.5), "not": 200}


def test_a_bank_that_is_not_looked_at_is_caught_by_memory_attention_and_by_the_clip(caught):
    def fault(program, inputs, outputs):
        return {"conditioned": inputs["features"]} if program == MEMORY_ATTENTION else outputs

    failing = caught(fault)
    assert (MEMORY_ATTENTION, "SQNR dB") in failing
    assert ("clip", "least mask IoU") in failing


def test_other_tokens_kept_are_caught_by_the_same_tokens_gate(caught, nano_backend):
    """Their values are not compared, since a rounding error may swap two equals."""
    pooled, kept = nano_backend.config.pooled_tokens, nano_backend.config.tokens_per_frame

    def fault(program, inputs, outputs):
        if program == MEMORY_ENCODER and not inputs["is_prompted"].item():
            outputs = {name: value.copy() for name, value in outputs.items()}
            slot = np.flatnonzero(outputs[NEXT + "slot_age"][0, 1:] == 0).item()
            written = slice(pooled + slot * kept, pooled + (slot + 1) * kept)
            outputs[NEXT + "memory_xy"][:, written] += 1
            outputs[NEXT + "memory_tokens"][:, written] *= -1
        return outputs

    failing = caught(fault)
    assert (MEMORY_ENCODER, "same tokens") in failing
    assert (MEMORY_ENCODER, "SQNR dB") not in failing


def test_right_places_with_wrong_values_are_caught_by_the_memory_encoders_sqnr(caught):
    def fault(program, inputs, outputs):
        if program == MEMORY_ENCODER:
            outputs[NEXT + "memory_tokens"] = outputs[NEXT + "memory_tokens"] * np.float32(1.01)
        return outputs

    failing = caught(fault)
    assert (MEMORY_ENCODER, "SQNR dB") in failing
    assert (MEMORY_ENCODER, "same tokens") not in failing


def test_outputs_that_the_next_call_overwrites_are_caught_by_the_clip_alone(caught):
    """Every call is right when it is made; but the second object's bank has become the first one's."""
    buffers: Tensors = {}

    def fault(program, inputs, outputs):
        for name, value in outputs.items():
            buffers.setdefault(name, np.empty_like(value))[...] = value
        return {name: buffers[name] for name in outputs}

    failing = caught(fault)
    assert failing
    assert {subject for subject, _ in failing} <= {"clip", "clips"}


def test_a_state_that_a_program_keeps_between_its_calls_is_caught(caught):
    """A program that is to be pure answers with the last call's pointer."""
    former: list[np.ndarray] = []

    def fault(program, inputs, outputs):
        if program == MASK_DECODER:
            former.append(outputs["object_pointer"])
            return {**outputs, "object_pointer": former[-2] if len(former) > 1 else former[-1]}
        return outputs

    assert (MASK_DECODER, "SQNR dB") in caught(fault)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_value_that_is_not_finite_is_caught_and_the_measures_stay_numbers(check, nano_backend, value):
    def fault(program, inputs, outputs):
        if program == MASK_DECODER:
            outputs["mask_logits"] = outputs["mask_logits"].copy()
            outputs["mask_logits"][0, 0, 3, 3] = value
        return outputs

    result = check(FaultyBackend(nano_backend, fault))
    [decoder] = [program for program in result.programs() if program.program == MASK_DECODER]
    assert decoder.sqnr_db == -200
    for program in result.programs():
        for tensor in program.tensors:
            assert np.isfinite([tensor.sqnr_db, tensor.cosine, tensor.max_abs_error]).all()


def test_a_recording_holds_each_call_once_and_answers_as_the_backend(nano_backend, followed):
    recorder = RecordingBackend(nano_backend)
    call = followed[0].calls[-1]
    answered = recorder.run(call.program, call.inputs)
    [recorded] = recorder.take()
    assert recorded.program == MEMORY_ENCODER
    assert tuple(recorded.inputs) == recorder.contract[MEMORY_ENCODER].input_names
    assert recorder.take() == []
    for name, value in call.outputs.items():
        assert np.array_equal(answered[name], value)
        assert np.array_equal(recorded.outputs[name], value)
