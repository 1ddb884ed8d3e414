"""What each mechanism of the memory bank does, by example, and that each can be switched off."""

import itertools
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from tinysam2.core.config import DENSE_BANK, BankConfig, ModelConfig, RepViTConfig
from tinysam2.models.network.bank import BankUpdate, MemoryBank, empty_bank
from tinysam2.models.network.mask_decoder import DecodedFrame

WIDTH, POINTER_WIDTH = 8, 16


def make_config(**bank: object) -> ModelConfig:
    """A 4x4 grid whose frames have four pooled tokens, of which two are kept."""
    sizes = {"slots": 4, "pointers": 4, "tokens_per_frame": 2}
    trunk = RepViTConfig((2, 2, 2, 2), (1, 1, 1, 1))
    return ModelConfig("bank", 64, trunk, POINTER_WIDTH, WIDTH, bank=BankConfig(**{**sizes, **bank}))


MANAGED = make_config()
FIRST, SECOND, THIRD, FOURTH = [0.5, 0.5], [2.5, 0.5], [0.5, 2.5], [2.5, 2.5]
"""Where the four pooled tokens of a frame lie."""

COVERED = {".": (0, 0), "o": (1, 0), "#": (1, 1)}
"""Whether the object covers the left and the right half of a token: background, boundary, inside."""


@dataclass(frozen=True)
class Seen:
    """A frame: the kinds of its four tokens, where its object lies, and how well it was seen, between 0 and 1."""

    kinds: str = "abcd"
    mask: str = "...."
    quality: float = 0.9
    prompted: bool = False

    def tensors(self, config: ModelConfig) -> tuple[Tensor, DecodedFrame, Tensor]:
        """As the bank update takes it; tokens of different kinds are at right angles."""
        kinds = torch.tensor(["abcdefgh".index(kind) for kind in self.kinds]).reshape(2, 2)
        memory = torch.nn.functional.one_hot(kinds, WIDTH).float().repeat_interleave(2, 0).repeat_interleave(2, 1)
        halves = torch.tensor([COVERED[covered] for covered in self.mask]).reshape(2, 4)
        mask = (400.0 * halves - 200).repeat_interleave(8, 0).repeat_interleave(4, 1)
        quality, certain = torch.full((1, 1), self.quality), torch.full((1, 1), 20.0)
        pointer = torch.full((1, POINTER_WIDTH), self.quality)
        decoded = DecodedFrame(mask[None, None], quality, certain, pointer)
        return memory.permute(2, 0, 1)[None], decoded, torch.full((1, 1), float(self.prompted))


PROMPTED, GOOD, OCCLUDED = Seen(prompted=True), Seen(), Seen(quality=0.1)


def banks(config: ModelConfig, *frames: Seen) -> list[MemoryBank]:
    """The bank after each frame."""
    update, after = BankUpdate(config), [empty_bank(config)]
    for frame in frames:
        after.append(update(*frame.tensors(config), after[-1]))
    return after[1:]


def ages(config: ModelConfig, *frames: Seen) -> list[int]:
    """Each slot's age after the last frame; -1: empty."""
    return banks(config, *frames)[-1].slot_age[0].int().tolist()


def places_kept(config: ModelConfig, *frames: Seen, slot: int = 1) -> list[list[float]]:
    """Where the tokens of a recent slot lie after the last frame."""
    return _rows(config, banks(config, *frames)[-1].memory_xy, slot).tolist()


def _rows(config: ModelConfig, tensor: Tensor, slot: int) -> Tensor:
    start = config.pooled_tokens + (slot - 1) * config.tokens_per_frame
    return tensor[0, start : start + config.tokens_per_frame]


def test_slots_fill_in_order_while_there_are_empty_ones():
    assert ages(MANAGED, PROMPTED, GOOD, GOOD) == [2, 1, 0, -1]


def test_a_full_bank_gives_up_the_slot_of_least_quality():
    config = make_config(level_frames=64)
    qualities = [Seen(quality=quality) for quality in (0.6, 0.4, 0.5, 0.7)]
    assert ages(config, PROMPTED, *qualities) == [4, 3, 0, 1]


def test_with_age_a_slots_quality_counts_less():
    level_better_but_older = [Seen(quality=quality) for quality in (9 / 16, 15 / 16, 8 / 16)]
    assert ages(make_config(level_frames=3), PROMPTED, *level_better_but_older, GOOD) == [4, 3, 2, 0]
    assert ages(make_config(level_frames=1), PROMPTED, *level_better_but_older, GOOD) == [4, 0, 2, 1]


def test_of_equal_qualities_the_older_slot_goes():
    assert ages(MANAGED, PROMPTED, GOOD, GOOD, GOOD, GOOD, GOOD) == [5, 1, 0, 2]


def test_qualities_that_differ_by_less_than_a_level_leave_the_choice_to_age():
    nearly_equal = [Seen(quality=quality) for quality in (0.752, 0.75, 0.748)]
    assert ages(make_config(level_frames=64), PROMPTED, *nearly_equal, GOOD) == [4, 0, 2, 1]


def test_of_slots_worth_the_same_the_first_one_goes():
    a_level_for_every_frame = [Seen(quality=quality) for quality in (10 / 16, 9 / 16, 8 / 16)]
    assert ages(make_config(level_frames=1), PROMPTED, *a_level_for_every_frame, GOOD) == [4, 0, 2, 1]


def test_an_occluded_frame_is_not_written_and_the_bank_grows_older():
    before, after = banks(MANAGED, PROMPTED, GOOD, OCCLUDED)[-2:]
    assert torch.equal(after.memory_tokens, before.memory_tokens)
    assert torch.equal(after.pointers, before.pointers)
    assert after.slot_age.tolist() == [[2, 1, -1, -1]]
    assert after.pointer_age.tolist() == [[2, 1, -1, -1]]


def test_after_an_occlusion_the_object_is_remembered_again():
    assert ages(MANAGED, PROMPTED, GOOD, OCCLUDED, OCCLUDED, GOOD) == [4, 3, 0, -1]


def test_when_every_frame_is_below_the_threshold_the_prompt_alone_is_remembered():
    assert ages(MANAGED, PROMPTED, *[OCCLUDED] * 6) == [6, -1, -1, -1]


def test_a_frame_at_the_threshold_is_written():
    config = make_config(quality_threshold=0.5)
    assert ages(config, PROMPTED, Seen(quality=0.5), Seen(quality=0.499)) == [2, 1, -1, -1]


def test_a_threshold_of_zero_writes_every_frame():
    assert ages(make_config(quality_threshold=0.0), PROMPTED, Seen(quality=0.0)) == [1, 0, -1, -1]


def test_without_quality_management_every_frame_is_written_and_the_oldest_goes():
    config = make_config(quality_management=False)
    assert ages(config, PROMPTED, GOOD, OCCLUDED, OCCLUDED) == [3, 2, 1, 0]
    assert ages(config, PROMPTED, OCCLUDED, GOOD, GOOD, OCCLUDED, OCCLUDED) == [5, 1, 0, 2]


def test_a_prompt_is_written_however_poor_its_quality():
    assert ages(MANAGED, Seen(quality=0.0, prompted=True)) == [0, -1, -1, -1]


def test_a_new_prompt_replaces_the_conditioning_memory_and_nothing_else():
    before, after = banks(MANAGED, PROMPTED, GOOD, GOOD, Seen("efgh", quality=0.5, prompted=True))[-2:]
    pooled = MANAGED.pooled_tokens
    assert after.slot_age.tolist() == [[0, 2, 1, -1]]
    assert after.memory_tokens[0, :pooled].argmax(-1).tolist() == [4, 5, 6, 7]
    assert torch.equal(after.memory_tokens[:, pooled:], before.memory_tokens[:, pooled:])
    assert torch.equal(after.pointers[:, 1:], before.pointers[:, 1:])
    assert after.pointers[0, 0, 0] == 0.5


def test_an_object_that_was_never_prompted_has_no_conditioning_memory():
    assert ages(MANAGED, GOOD, GOOD) == [-1, 1, 0, -1]


def test_pointers_are_replaced_oldest_first_but_for_the_prompts():
    bank = banks(make_config(pointers=3), PROMPTED, GOOD, GOOD, GOOD, GOOD)[-1]
    assert bank.pointer_age.tolist() == [[4, 1, 0]]


def test_ages_stop_at_a_number_that_fp16_holds():
    config = make_config(slots=3, pointers=3)
    old = torch.tensor([[1023.0, 1022.0, -1.0]])
    bank = banks(config, PROMPTED)[-1]._replace(slot_age=old, pointer_age=old)
    for expected in ([[1024, 1023, -1]], [[1024, 1024, -1]], [[1024, 1024, -1]]):
        bank = BankUpdate(config)(*OCCLUDED.tensors(config), bank)
        assert bank.slot_age.tolist() == bank.pointer_age.tolist() == expected


def test_of_places_too_old_to_tell_apart_the_first_is_replaced():
    config = make_config(slots=3, pointers=3, quality_management=False)
    old = torch.full((1, 3), 1024.0)
    bank = banks(config, PROMPTED)[-1]._replace(slot_age=old, pointer_age=old)
    bank = BankUpdate(config)(*GOOD.tensors(config), bank)
    assert bank.slot_age.tolist() == bank.pointer_age.tolist() == [[1024, 0, 1024]]


def test_the_tokens_kept_are_those_that_the_bank_lacks():
    assert places_kept(MANAGED, PROMPTED, Seen("aebf")) == [SECOND, FOURTH]


def test_the_least_redundant_token_comes_first():
    config = make_config(tokens_per_frame=3)
    assert places_kept(config, PROMPTED, Seen("abce")) == [FOURTH, FIRST, SECOND]


def test_equally_redundant_tokens_keep_their_order():
    assert places_kept(MANAGED, PROMPTED, Seen("efgh")) == [FIRST, SECOND]
    assert places_kept(MANAGED, PROMPTED, Seen("dcba")) == [FIRST, SECOND]


def test_tokens_of_the_slot_that_is_replaced_do_not_count_as_kept():
    config = make_config(slots=2)
    assert places_kept(config, PROMPTED, Seen("aaee"), Seen("abef")) == [THIRD, FOURTH]


def test_tokens_of_other_recent_slots_count_as_kept():
    assert places_kept(MANAGED, PROMPTED, Seen("aaee"), Seen("eagh"), slot=2) == [THIRD, FOURTH]


@pytest.mark.parametrize("mask", sorted(map("".join, itertools.permutations(".o#"))))
def test_of_equally_new_tokens_the_boundarys_come_first_then_the_insides(mask):
    config = make_config(tokens_per_frame=3)
    places = dict(zip(mask, (FIRST, SECOND, THIRD), strict=True))
    kept = places_kept(config, PROMPTED, Seen("efga", mask + "."))
    assert kept == [places["o"], places["#"], places["."]]


def test_a_new_token_of_the_background_comes_before_a_known_one_of_the_object():
    assert places_kept(MANAGED, PROMPTED, Seen("abef", "#o..")) == [THIRD, FOURTH]


def test_with_weight_enough_the_object_comes_before_what_is_new():
    config = make_config(foreground_weight=3.0)
    assert places_kept(config, PROMPTED, Seen("abef", ".##.")) == [THIRD, SECOND]


@pytest.mark.parametrize(
    ("weights", "kept"),
    [
        ({"foreground_weight": 0.0}, [THIRD, FIRST]),
        ({"boundary_weight": 0.0}, [SECOND, THIRD]),
        ({"foreground_weight": 0.0, "boundary_weight": 0.0}, [FIRST, SECOND]),
    ],
)
def test_inside_and_boundary_are_weighed_apart(weights, kept):
    assert places_kept(make_config(**weights), PROMPTED, Seen("efgh", ".#o.")) == kept


@pytest.mark.parametrize("mask", ["####", "o#..", "..#o", "oooo"])
def test_without_weights_the_mask_changes_nothing(mask):
    config = make_config(foreground_weight=0.0, boundary_weight=0.0)
    frames = ["eaff", "gbha", "dceh"]
    unmasked = banks(config, PROMPTED, *(Seen(kinds) for kinds in frames))[-1]
    masked = banks(config, Seen(mask=mask, prompted=True), *(Seen(kinds, mask) for kinds in frames))[-1]
    assert all(torch.equal(a, b) for a, b in zip(masked, unmasked, strict=True))


def test_without_selection_every_pooled_token_is_kept_in_its_place():
    config = make_config(tokens_per_frame=None)
    bank = banks(config, PROMPTED, Seen("dcba"))[-1]
    assert _rows(config, bank.memory_tokens, 1).argmax(-1).tolist() == [3, 2, 1, 0]
    assert _rows(config, bank.memory_xy, 1).tolist() == [FIRST, SECOND, THIRD, FOURTH]


def test_dense_memory_is_stored_as_it_is():
    config = MANAGED.with_bank(DENSE_BANK)
    memory = torch.randn(1, WIDTH, 4, 4, generator=torch.Generator().manual_seed(0))
    bank = BankUpdate(config)(memory, *PROMPTED.tensors(config)[1:], empty_bank(config))
    assert torch.equal(bank.memory_tokens[:, :16], memory.flatten(2).transpose(1, 2))
    assert bank.memory_xy[0, :6].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1], [1, 1]]


@pytest.mark.parametrize("kind", range(WIDTH))
def test_what_lies_in_empty_slots_decides_nothing(kind):
    clean = empty_bank(MANAGED)
    left_over = clean.memory_tokens.clone()
    left_over[..., kind] = 1
    littered = clean._replace(memory_tokens=left_over, slot_quality=clean.slot_quality + 9)
    bank = BankUpdate(MANAGED)(*Seen().tensors(MANAGED), littered)
    assert _rows(MANAGED, bank.memory_xy, 1).tolist() == [FIRST, SECOND]
    assert bank.slot_age.tolist() == [[-1, 0, -1, -1]]
