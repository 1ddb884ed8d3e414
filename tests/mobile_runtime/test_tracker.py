"""The loop that an app runs: four calls a frame and object, the bank fed back, in constant memory."""

from dataclasses import dataclass

import numpy as np
import pytest

from tinysam2.core.config import preset
from tinysam2.core.contract import NEXT, bank_spec
from tinysam2.core.empty_bank import empty_bank
from tinysam2.core.errors import InputError
from tinysam2.data.preprocessing import Preprocessor
from tinysam2.data.prompts import Box, Point, Prompt
from tinysam2.data.tracked import TrackedFrame, TrackedObject
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.tracker import Tracker

NANO = preset("nano")
BANK = tuple(spec.name for spec in bank_spec(NANO))
WIDTH, HEIGHT = 96, 72
CLICK, OTHER_CLICK = Prompt(points=(Point(30, 20),)), Prompt(points=(Point(70, 50),))


@dataclass(frozen=True, eq=False)
class Call:
    program: str
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]


class StubBackend(Backend):
    """Answers each call with its number, in every value; remembers the calls."""

    target, runtime = "stub", "a test"

    def __init__(self, io_dtype: str = "float32") -> None:
        super().__init__(NANO, io_dtype)
        self.calls: list[Call] = []

    def execute(self, program, inputs):
        number = len(self.calls) + 1
        outputs = {t.name: np.full(t.shape, number, self.io_dtype) for t in self.contract[program].outputs}
        self.calls.append(Call(program, dict(inputs), outputs))
        return outputs

    def of(self, program: str) -> list[Call]:
        return [call for call in self.calls if call.program == program]


def frame(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def same(bank: dict[str, np.ndarray], inputs: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(bank[name], inputs[name]) for name in BANK)


@pytest.fixture
def stub():
    return StubBackend()


@pytest.fixture
def tracker(stub):
    return Tracker(stub)


def test_a_frame_calls_the_four_programs_in_the_contracts_order(tracker, stub):
    tracker.track(frame(), {1: CLICK})
    assert [call.program for call in stub.calls] == list(stub.contract)


def test_an_unprompted_frame_calls_the_same_four_programs(tracker, stub):
    tracker.track(frame(), {1: CLICK})
    tracker.track(frame())
    assert [call.program for call in stub.calls[4:]] == list(stub.contract)


def test_objects_share_one_image_encoder_call(tracker, stub):
    tracker.track(frame(), {1: CLICK, 2: OTHER_CLICK, 9: CLICK})
    assert len(stub.of("image_encoder")) == 1
    encoded = stub.of("image_encoder")[0].outputs
    for program in ("memory_attention", "mask_decoder", "memory_encoder"):
        assert len(stub.of(program)) == 3
    for call in stub.of("mask_decoder"):
        assert np.array_equal(call.inputs["features_s4"], encoded["features_s4"])


def test_each_program_is_given_what_the_earlier_ones_answered(tracker, stub):
    tracker.track(frame(), {1: CLICK})
    encoder, attention, decoder, memory = stub.calls
    assert np.array_equal(attention.inputs["features"], encoder.outputs["features"])
    assert np.array_equal(decoder.inputs["conditioned"], attention.outputs["conditioned"])
    assert np.array_equal(memory.inputs["features"], encoder.outputs["features"])
    for name in ("mask_logits", "iou", "object_score", "object_pointer"):
        assert np.array_equal(memory.inputs[name], decoder.outputs[name])


def test_an_object_begins_with_an_empty_bank(tracker, stub):
    tracker.track(frame(), {1: CLICK})
    for program in ("memory_attention", "memory_encoder"):
        assert same(empty_bank(stub.config, stub.io_dtype), stub.of(program)[0].inputs)


def test_the_bank_is_fed_back(tracker, stub):
    for index in range(3):
        tracker.track(frame(index), {1: CLICK} if index == 0 else None)
    for before, following in ((0, 1), (1, 2)):
        answered = stub.of("memory_encoder")[before].outputs
        answered = {name.removeprefix(NEXT): value for name, value in answered.items()}
        assert same(answered, stub.of("memory_attention")[following].inputs)
        assert same(answered, stub.of("memory_encoder")[following].inputs)


def test_each_object_has_a_bank_of_its_own(tracker, stub):
    for index in range(2):
        tracker.track(frame(index), {1: CLICK, 2: OTHER_CLICK} if index == 0 else None)
    encoders, attentions = stub.of("memory_encoder"), stub.of("memory_attention")
    for first_frame, second_frame in ((0, 2), (1, 3)):
        answered = encoders[first_frame].outputs
        answered = {name.removeprefix(NEXT): value for name, value in answered.items()}
        assert same(answered, attentions[second_frame].inputs)


def test_a_prompt_is_said_of_its_own_frame_and_object_only(tracker, stub):
    tracker.track(frame(), {1: CLICK, 2: Prompt(box=Box(0, 0, 48, 36))})
    tracker.track(frame())
    said = [
        (call.inputs["point_labels"].tolist()[0], prompted.inputs["is_prompted"].item())
        for call, prompted in zip(stub.of("mask_decoder"), stub.of("memory_encoder"), strict=True)
    ]
    assert said == [([1, -1, -1, -1], 1), ([2, 3, -1, -1], 1), ([-1] * 4, 0), ([-1] * 4, 0)]


def test_an_object_may_begin_in_the_middle_of_the_video(tracker, stub):
    tracker.track(frame(), {5: CLICK})
    later = tracker.track(frame(), {2: OTHER_CLICK})
    assert list(later.objects) == [2, 5]
    newcomer, known = stub.of("memory_attention")[1:]
    assert same(empty_bank(stub.config, stub.io_dtype), newcomer.inputs)
    assert not same(empty_bank(stub.config, stub.io_dtype), known.inputs)
    assert [call.inputs["is_prompted"].item() for call in stub.of("memory_encoder")[1:]] == [1, 0]


def test_a_removed_object_is_forgotten_and_costs_nothing_more(tracker, stub):
    tracker.track(frame(), {1: CLICK, 2: OTHER_CLICK})
    both = tracker.bank_bytes
    tracker.remove(1)
    assert tracker.bank_bytes == both / 2
    assert list(tracker.track(frame()).objects) == [2]
    assert len(stub.of("mask_decoder")) == 3


def test_a_removed_object_begins_anew(tracker, stub):
    tracker.track(frame(), {1: CLICK})
    tracker.remove(1)
    tracker.track(frame(), {1: CLICK})
    assert same(empty_bank(stub.config, stub.io_dtype), stub.of("memory_attention")[1].inputs)


def test_removing_an_unknown_object_is_a_key_error(tracker):
    with pytest.raises(KeyError):
        tracker.remove(1)


def test_without_any_prompt_there_is_nothing_to_track(tracker, stub):
    with pytest.raises(InputError, match="nothing to track; prompt an object on this frame or an earlier one"):
        tracker.track(frame())
    assert stub.calls == []


def test_once_the_last_object_is_removed_there_is_nothing_to_track(tracker):
    tracker.track(frame(), {1: CLICK})
    tracker.remove(1)
    with pytest.raises(InputError, match="nothing to track"):
        tracker.track(frame())


@pytest.mark.parametrize("object_id", [0, -1, 256])
def test_an_id_that_no_mask_can_hold_is_refused(tracker, object_id):
    with pytest.raises(InputError, match=f"object id {object_id} cannot be kept in a mask; ids are 1 to 255"):
        tracker.track(frame(), {object_id: CLICK})


def test_a_prompt_that_does_not_fit_is_refused_before_anything_runs(tracker, stub):
    tracker.track(frame(), {1: CLICK})
    calls, banks = len(stub.calls), dict(tracker.banks)
    with pytest.raises(InputError, match="point 96,0 lies outside the frame, which is 96x72"):
        tracker.track(frame(), {1: CLICK, 2: Prompt(points=(Point(96, 0),))})
    assert len(stub.calls) == calls
    assert tracker.banks == banks


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float16", 2)])
def test_the_bank_is_kept_in_the_artifacts_own_dtype(dtype, size):
    tracker = Tracker(StubBackend(dtype))
    elements = sum(int(np.prod(spec.shape)) for spec in bank_spec(NANO))
    for index in range(3):
        tracker.track(frame(index), {1: CLICK, 2: CLICK} if index == 0 else None)
        assert tracker.bank_bytes == 2 * elements * size


def test_an_empty_bank_holds_zeros_and_ages_of_minus_one(stub):
    bank = empty_bank(stub.config, stub.io_dtype)
    assert {name: np.unique(value).tolist() for name, value in bank.items()} == {
        name: [-1] if name.endswith("age") else [0] for name in BANK
    }


def test_a_frame_reaches_the_image_encoder_by_the_frame_contract(tracker, stub):
    tracker.track(frame(), {1: CLICK})
    [encoder] = stub.of("image_encoder")
    wanted = Preprocessor(NANO.image_size, NANO.mask_size).image_tensor(frame())
    assert np.array_equal(encoder.inputs["image"], wanted)


def test_a_tracker_may_be_given_another_preprocessor(stub):
    class Black(Preprocessor):
        def image_tensor(self, frame):
            return np.zeros_like(super().image_tensor(frame))

    Tracker(stub, Black(NANO.image_size, NANO.mask_size)).track(frame(), {1: CLICK})
    assert not stub.of("image_encoder")[0].inputs["image"].any()


def test_where_objects_overlap_the_more_certain_one_is_seen():
    left, right = np.full((2, 4), -1.0, np.float32), np.full((2, 4), -1.0, np.float32)
    left[:, :3], right[:, 1:] = 2, 1
    right[:, 2] = 3
    tracked = TrackedFrame({7: TrackedObject(left, 1, 1), 9: TrackedObject(right, 1, 1)}, 4, 2)
    assert tracked.ids.tolist() == [[7, 7, 9, 9]] * 2
    assert tracked.ids.dtype == np.uint8
    assert tracked.objects[7].mask.tolist() == [[True, True, True, False]] * 2


def test_where_no_object_is_the_id_is_zero():
    nowhere = TrackedObject(np.zeros((2, 3), np.float32), 1, 1)
    assert TrackedFrame({1: nowhere}, 3, 2).ids.tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (31, 200)])
def test_masks_come_back_at_the_frames_size(nano_backend, size):
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    tracked = Tracker(nano_backend).track(picture, {3: CLICK if width > 40 else Prompt(points=(Point(9, 9),))})
    assert (tracked.width, tracked.height) == size
    assert tracked.objects[3].logits.shape == tracked.objects[3].mask.shape == tracked.ids.shape == (height, width)
    assert tracked.objects[3].mask.dtype == bool
    assert 0 <= tracked.objects[3].iou <= 1


def test_a_mask_prompt_comes_back_as_the_first_frames_mask(nano_backend):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[18:54, 24:72] = True
    tracked = Tracker(nano_backend).track(frame(), {1: Prompt(mask=mask)})
    found = tracked.objects[1].mask
    assert (found & mask).sum() / (found | mask).sum() > 0.95
    assert tracked.objects[1].iou == 1


def test_a_correction_in_the_middle_of_the_video_becomes_the_conditioning_memory(nano_backend):
    tracker = Tracker(nano_backend)
    for index in range(3):
        tracker.track(frame(index), {1: CLICK} if index == 0 else None)
    assert tracker.banks[1]["slot_age"][0, :4].tolist() == [2, 1, 0, -1]
    tracker.track(frame(3), {1: OTHER_CLICK})
    assert tracker.banks[1]["slot_age"][0, :4].tolist() == [0, 2, 1, -1]
    assert tracker.banks[1]["pointer_age"][0, :4].tolist() == [0, 2, 1, -1]


def test_an_object_is_tracked_as_if_it_were_alone(nano_backend):
    alone, together = Tracker(nano_backend), Tracker(nano_backend)
    for index in range(3):
        first = index == 0
        expected = alone.track(frame(index), {2: CLICK} if first else None)
        actual = together.track(frame(index), {1: OTHER_CLICK, 2: CLICK, 3: OTHER_CLICK} if first else None)
        np.testing.assert_allclose(actual.objects[2].logits, expected.objects[2].logits, atol=1e-4)


def test_a_bank_takes_the_same_bytes_however_long_the_video(nano_backend):
    tracker = Tracker(nano_backend)
    tracker.track(frame(), {1: CLICK})
    shapes = {name: value.shape for name, value in tracker.banks[1].items()}
    taken = tracker.bank_bytes
    for index in range(1, 10):
        tracker.track(frame(index))
        assert {name: value.shape for name, value in tracker.banks[1].items()} == shapes
        assert tracker.bank_bytes == taken
    assert (tracker.banks[1]["slot_age"] >= 0).all()


def test_an_image_alone_is_segmented_without_memory(tracker, stub):
    tracked = tracker.segment(frame(), {2: Prompt(points=(Point(3, 3),)), 1: Prompt(box=Box(1, 1, 9, 9))})

    assert list(tracked.objects) == [1, 2]
    assert [call.program for call in stub.calls] == [
        "image_encoder", "memory_attention", "mask_decoder", "memory_attention", "mask_decoder",
    ]  # fmt: skip
    assert tracker.banks == {}


def test_segmenting_an_image_leaves_what_is_being_tracked_alone(tracker, stub):
    tracker.track(frame(), {1: Prompt(points=(Point(3, 3),))})
    before = {name: value.copy() for name, value in tracker.banks[1].items()}

    tracker.segment(frame(1), {1: Prompt(points=(Point(5, 5),))})

    assert same(before, tracker.banks[1])


def test_an_image_without_a_prompt_has_nothing_to_segment(tracker):
    with pytest.raises(InputError, match="nothing to segment"):
        tracker.segment(frame(), {})


def test_a_program_that_fails_leaves_every_object_where_it_was(tracker, stub, monkeypatch):
    tracker.track(frame(), {i: Prompt(points=(Point(3, 3),)) for i in (1, 2)})
    before = {i: dict(bank) for i, bank in tracker.banks.items()}
    execute, memories = stub.execute, []

    def failing(program, inputs):
        if program == "memory_encoder":
            memories.append(program)
            if len(memories) == 2:
                raise RuntimeError("out of memory")
        return execute(program, inputs)

    monkeypatch.setattr(stub, "execute", failing)
    with pytest.raises(RuntimeError):
        tracker.track(frame(1))

    assert all(same(before[i], tracker.banks[i]) for i in (1, 2))
