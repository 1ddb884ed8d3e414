"""The exported bank update does what a plain-Python bank, written for reading, does: on any history.

The reference follows the mechanisms as the docs tell them, in lists and loops, and shares no code with
`tinysam2.models.network.bank`. Histories are made so that tokens are worth exactly the same or clearly not, and
rounding decides nothing.
"""

import functools
import math
import random
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinysam2.core.config import DENSE_BANK, BankConfig, ModelConfig, RepViTConfig
from tinysam2.core.contract import QUALITY_LEVELS
from tinysam2.models.network.bank import BankUpdate, MemoryBank, empty_bank
from tinysam2.models.network.mask_decoder import DecodedFrame

Vector = list[float]

WIDTH, POINTER_WIDTH = 8, 16
OLDEST_COUNTED = 1024


# The reference ------------------------------------------------------------------------------------


@dataclass
class Token:
    """One place: what it looks like, where it was on the feature grid, and what share of it the object covered."""

    values: Vector
    x: float
    y: float
    covered: float


@dataclass
class Slot:
    """One remembered frame."""

    tokens: list[Token]
    quality: float
    age: int = 0


@dataclass
class Pointer:
    """One remembered object pointer."""

    values: Vector
    age: int = 0


@dataclass
class Frame:
    """What is said of a frame: memory[y][x] is a vector, mask[y][x] a logit, four of them a cell; score is a logit."""

    memory: list[list[Vector]]
    mask: list[list[float]]
    iou: float
    score: float
    pointer: Vector
    prompted: bool

    @property
    def quality(self) -> float:
        return self.iou * sigmoid(self.score)


class ReferenceBank:
    """One object's memory. The first slot and the first pointer are the last prompted frame's."""

    def __init__(self, config: ModelConfig) -> None:
        self.settings = config.bank
        self.kept = config.tokens_per_frame
        self.slots: list[Slot | None] = [None] * config.bank.slots
        self.pointers: list[Pointer | None] = [None] * config.bank.pointers

    def update(self, frame: Frame) -> None:
        for remembered in self.slots + self.pointers:
            if remembered:
                remembered.age = min(remembered.age + 1, OLDEST_COUNTED)
        tokens = pooled_tokens(frame, self.settings.spatial_pool)
        if frame.prompted:
            self.slots[0] = Slot(tokens, in_levels(frame.quality))
            self.pointers[0] = Pointer(frame.pointer)
        elif not self.settings.quality_management or frame.quality >= self.settings.quality_threshold:
            place = self.least_valuable_slot()
            self.slots[place] = Slot(self.most_worth(tokens, place), in_levels(frame.quality))
            self.pointers[first_empty_or_oldest(self.pointers)] = Pointer(frame.pointer)

    def least_valuable_slot(self) -> int:
        """Never the conditioning slot; an empty one where there is one."""
        if not self.settings.quality_management:
            return first_empty_or_oldest(self.slots)
        best, least = 0, math.inf
        for place, slot in enumerate(self.slots):
            if place == 0:
                continue
            if slot is None:
                return place
            retention = self.settings.level_frames * QUALITY_LEVELS * slot.quality - slot.age
            if retention < least:
                best, least = place, retention
        return best

    def most_worth(self, tokens: list[Token], place: int) -> list[Token]:
        """What a frame keeps in that slot, the token of most worth first, the earlier one of equals."""
        if self.kept == len(tokens):
            return tokens
        staying = [
            token.values
            for other, slot in enumerate(self.slots)
            if slot is not None and other != place
            for token in slot.tokens
        ]

        def worth(token: Token) -> float:
            novelty = 1 - max((cosine(token.values, other) for other in staying), default=0.0)
            on_object = self.settings.foreground_weight * token.covered
            at_boundary = self.settings.boundary_weight * token.covered * (1 - token.covered)
            return novelty + on_object + at_boundary

        # Python's sort leaves equal ones in their order. The digits cut off are rounding errors.
        return sorted(tokens, key=lambda token: -round(worth(token), 5))[: self.kept]


def pooled_tokens(frame: Frame, side: int) -> list[Token]:
    """The mean of each block of side x side cells, row by row, at the block's centre, and of the mask over it."""
    tokens = []
    for top in range(0, len(frame.memory), side):
        for left in range(0, len(frame.memory), side):
            vectors = block(frame.memory, left, top, side)
            mean = [sum(channel) / len(vectors) for channel in zip(*vectors, strict=True)]
            logits = block(frame.mask, 4 * left, 4 * top, 4 * side)
            covered = sum(map(sigmoid, logits)) / len(logits)
            tokens.append(Token(mean, left + (side - 1) / 2, top + (side - 1) / 2, covered))
    return tokens


def block(rows: list[list], left: int, top: int, side: int) -> list:
    return [rows[y][x] for y in range(top, top + side) for x in range(left, left + side)]


def in_levels(quality: float) -> float:
    return round(quality * QUALITY_LEVELS) / QUALITY_LEVELS


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def first_empty_or_oldest(places: list) -> int:
    """Never the first place, which is the prompt's."""
    oldest = 1
    for place in range(1, len(places)):
        if places[place] is None:
            return place
        if places[place].age > places[oldest].age:
            oldest = place
    return oldest


def cosine(a: Vector, b: Vector) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    lengths = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return dot / lengths if lengths else 0.0


# Histories ----------------------------------------------------------------------------------------


def make_config(grid: int = 4, **bank: object) -> ModelConfig:
    sizes = {"slots": 4, "pointers": 4, "tokens_per_frame": 2}
    trunk = RepViTConfig((2, 2, 2, 2), (1, 1, 1, 1))
    return ModelConfig("bank", 16 * grid, trunk, POINTER_WIDTH, WIDTH, bank=BankConfig(**{**sizes, **bank}))


CONFIGS = {
    "compressed and managed": make_config(),
    "larger grid": make_config(grid=8, tokens_per_frame=6, slots=3, pointers=3),
    "one recent slot": make_config(slots=2, pointers=2),
    "dense": make_config().with_bank(replace(DENSE_BANK, slots=4, pointers=4)),
    "pooling only": make_config(tokens_per_frame=None, quality_management=False),
    "selection only": make_config(spatial_pool=1, tokens_per_frame=5, quality_management=False),
    "management only": make_config(spatial_pool=1, tokens_per_frame=None),
    "age before quality": make_config(level_frames=1),
    "quality before age": make_config(level_frames=64),
    "no threshold": make_config(quality_threshold=0.0),
    "threshold that a quality meets exactly": make_config(quality_threshold=0.25),
    "novelty alone": make_config(foreground_weight=0.0, boundary_weight=0.0),
    "novelty and the object": make_config(boundary_weight=0.0),
    "novelty and the boundary": make_config(foreground_weight=0.0),
    "the mask above novelty": make_config(foreground_weight=2.5, boundary_weight=4.0),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())

BLANK, TEXTURES = WIDTH, 3
"""Kinds of tokens: 0 .. WIDTH - 1 are unit vectors, the same in every frame; then a zero; then textures,
which no two frames share."""

INSIDE, OUTSIDE = 200.0, -200.0
"""Logits whose sigmoid is 1 and 0 to the last digit."""

COVERS = {
    "outside": lambda x, y: OUTSIDE,
    "inside": lambda x, y: INSIDE,
    "left half": lambda x, y: INSIDE if x < 0.5 else OUTSIDE,
    "a corner": lambda x, y: INSIDE if x >= 0.5 and y < 0.5 else OUTSIDE,
    "all but a corner": lambda x, y: INSIDE if x < 0.5 or y < 0.5 else OUTSIDE,
    "near_tie": lambda x, y: 0.0,
    "likely": lambda x, y: 1.0,
    "unlikely": lambda x, y: -2.0,
}
"""Mask logits over one token, by the place in it, 0 .. 1. With all the weights above two of them add exactly the same
to a token's worth, or clearly more or less, and never by the difference between redundancies of 0 and 1."""


def make_frame(
    config: ModelConfig,
    kinds: list[int],
    covers: list[str],
    iou: float = 1.0,
    score: float = 3.0,
    prompted: bool = False,
    seed: int = 0,
) -> Frame:
    """A frame whose pooled tokens are of these kinds, and covered so, row by row. Within a block, cells differ."""
    side, blocks = config.bank.spatial_pool, config.grid // config.bank.spatial_pool

    def cell(x: int, y: int) -> Vector:
        kind = kinds[(y // side) * blocks + x // side]
        if kind > BLANK:
            noise = random.Random(f"{seed} {kind} {x % side} {y % side}")
            return [noise.gauss(0, 1) for _ in range(WIDTH)]
        # Offsets that cancel within an even block.
        offset = 0.0 if side % 2 else (-1.0) ** (x + y) * 3
        return [float(channel == kind) + offset for channel in range(WIDTH)]

    def logit(x: int, y: int) -> float:
        wide = 4 * side
        cover = COVERS[covers[(y // wide) * blocks + x // wide]]
        return cover(x % wide / wide, y % wide / wide)

    memory = [[cell(x, y) for x in range(config.grid)] for y in range(config.grid)]
    mask = [[logit(x, y) for x in range(config.mask_size)] for y in range(config.mask_size)]
    noise = random.Random(f"{seed} pointer")
    return Frame(memory, mask, iou, score, [noise.gauss(0, 1) for _ in range(POINTER_WIDTH)], prompted)


@st.composite
def histories(draw, config: ModelConfig, most: int = 12) -> list[Frame]:
    """Any run of frames: prompted at first or not, prompted again, lost, seen again, alike, all new."""
    frames = []
    kinds_of_token = st.integers(0, BLANK + TEXTURES)
    covers = st.one_of(
        st.lists(st.sampled_from(list(COVERS)), min_size=config.pooled_tokens, max_size=config.pooled_tokens),
        st.sampled_from(list(COVERS)).map(lambda cover: [cover] * config.pooled_tokens),
    )
    for index in range(draw(st.integers(1, most))):
        repeat = draw(st.sampled_from(["new", "alike", "one kind"]))
        if repeat == "one kind":
            kinds = [draw(kinds_of_token)] * config.pooled_tokens
        elif repeat == "new" or not frames:
            kinds = draw(st.lists(kinds_of_token, min_size=config.pooled_tokens, max_size=config.pooled_tokens))
        frames.append(
            make_frame(
                config,
                kinds,
                draw(covers),
                iou=draw(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])),
                score=draw(st.sampled_from([-2.0, 0.0, 1.0, 3.0])),
                prompted=draw(st.integers(0, 9)) < (7 if index == 0 else 1),
                seed=index,
            )
        )
    return frames


def as_tensors(*frames: Frame) -> tuple[torch.Tensor, DecodedFrame, torch.Tensor]:
    """A batch of frames as the bank update takes them."""
    decoded = DecodedFrame(
        torch.tensor([[frame.mask] for frame in frames]),
        torch.tensor([[frame.iou] for frame in frames]),
        torch.tensor([[frame.score] for frame in frames]),
        torch.tensor([frame.pointer for frame in frames]),
    )
    memory = torch.tensor([frame.memory for frame in frames]).permute(0, 3, 1, 2)
    return memory, decoded, torch.tensor([[float(frame.prompted)] for frame in frames])


def as_bank(reference: ReferenceBank, config: ModelConfig) -> MemoryBank:
    """The reference in the contract's tensors."""
    tokens, places = [], []
    for index, slot in enumerate(reference.slots):
        count = config.pooled_tokens if index == 0 else config.tokens_per_frame
        tokens += [t.values for t in slot.tokens] if slot else [[0.0] * WIDTH] * count
        places += [[t.x, t.y] for t in slot.tokens] if slot else [[0.0, 0.0]] * count
    return MemoryBank(
        torch.tensor([tokens]),
        torch.tensor([places]),
        torch.tensor([[slot.quality if slot else 0.0 for slot in reference.slots]]),
        torch.tensor([[float(slot.age) if slot else -1.0 for slot in reference.slots]]),
        torch.tensor([[pointer.values if pointer else [0.0] * POINTER_WIDTH for pointer in reference.pointers]]),
        torch.tensor([[float(pointer.age) if pointer else -1.0 for pointer in reference.pointers]]),
    )


@functools.cache
def exported(config: ModelConfig):
    """The bank update as every target receives it."""
    frame = make_frame(config, [0] * config.pooled_tokens, ["inside"] * config.pooled_tokens)
    example = (*as_tensors(frame), empty_bank(config))
    return torch.export.export(BankUpdate(config), example, strict=False).module()


def run(update, config: ModelConfig, frames: list[Frame]) -> list[MemoryBank]:
    """The bank after each frame."""
    banks, bank = [], empty_bank(config)
    for frame in frames:
        bank = MemoryBank(*update(*as_tensors(frame), bank))
        banks.append(bank)
    return banks


def assert_agree(actual: MemoryBank, expected: MemoryBank) -> None:
    """Places and ages exactly, which are selections and slots; values to 1e-5."""
    for name in ("memory_xy", "slot_age", "pointer_age"):
        assert torch.equal(getattr(actual, name), getattr(expected, name)), name
    for name in ("memory_tokens", "slot_quality", "pointers"):
        torch.testing.assert_close(getattr(actual, name), getattr(expected, name), atol=1e-5, rtol=0)


def any_history(examples: int):
    return lambda test: settings(max_examples=examples, deadline=None, derandomize=True)(given(data=st.data())(test))


# What holds for any history -----------------------------------------------------------------------


@every_config
@any_history(40)
def test_the_exported_update_agrees_with_the_reference(config, data):
    frames = data.draw(histories(config))
    reference = ReferenceBank(config)
    for frame, bank in zip(frames, run(exported(config), config, frames), strict=True):
        reference.update(frame)
        assert_agree(bank, as_bank(reference, config))


@every_config
@any_history(10)
def test_the_bank_never_grows_and_only_a_prompt_replaces_the_conditioning_memory(config, data):
    frames = data.draw(histories(config))
    before = empty_bank(config)
    shapes = [tensor.shape for tensor in before]
    for frame, bank in zip(frames, run(exported(config), config, frames), strict=True):
        assert [tensor.shape for tensor in bank] == shapes
        assert bank.memory_tokens.shape[1] == config.memory_tokens
        assert ((bank.slot_age >= 0) >= (before.slot_age >= 0)).all()
        written = [torch.isclose(age, torch.zeros(())).sum() for age in (bank.slot_age, bank.pointer_age)]
        assert max(written) <= 1
        pooled = config.pooled_tokens
        if frame.prompted:
            assert bank.slot_age[0, 0] == bank.pointer_age[0, 0] == 0
        else:
            assert torch.equal(bank.memory_tokens[:, :pooled], before.memory_tokens[:, :pooled])
            assert torch.equal(bank.memory_xy[:, :pooled], before.memory_xy[:, :pooled])
            assert torch.equal(bank.pointers[:, 0], before.pointers[:, 0])
        before = bank


@every_config
@any_history(5)
def test_several_banks_are_updated_at_once_as_one_by_one(config, data):
    """Also in eager mode as exported: the export fixes the batch at one."""
    pair = [data.draw(histories(config)) for _ in range(2)]
    length = min(map(len, pair))
    alone = [run(exported(config), config, frames[:length]) for frames in pair]
    update, bank = BankUpdate(config), empty_bank(config, batch=2)
    for step, frames in enumerate(zip(*(frames[:length] for frames in pair), strict=True)):
        bank = update(*as_tensors(*frames), bank)
        expected = (torch.cat(tensors) for tensors in zip(*(banks[step] for banks in alone), strict=True))
        assert_agree(bank, MemoryBank(*expected))
