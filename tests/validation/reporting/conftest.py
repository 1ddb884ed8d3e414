"""A report of three targets with its gallery, and a headless Chromium that looks at pages."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tinysam2.core.config import preset
from tinysam2.core.contract import program_contract
from tinysam2.core.units import MIB
from tinysam2.mobile_runtime.layout import contiguous_layouts
from tinysam2.mobile_runtime.memory.accounting import Amount, ModelMemory, Peak, ProgramMemory, TensorBytes
from tinysam2.validation.memory.budget import DEFAULT_BUDGETS
from tinysam2.validation.memory.gates import memory_gates
from tinysam2.validation.memory.measured import MeasuredMemory
from tinysam2.validation.parity.bank_states import BANK_STATES, TWO_OBJECTS, StateCalls
from tinysam2.validation.parity.check import ChainParity, ClipParity, ProgramParity, TensorParity
from tinysam2.validation.parity.gates import parity_gates
from tinysam2.validation.reporting.report import ClipReport, Report, TargetReport

FRAMES, SIZE = 5, (96, 72)
PROGRAMS = ("image_encoder", "memory_attention", "mask_decoder", "memory_encoder")
BUDGET = DEFAULT_BUDGETS["nano"]

STATES = {state: StateCalls(0 if state in ("occluded", TWO_OBJECTS) else 3) for state in BANK_STATES}
CLIP = ClipReport("koi", FRAMES, *SIZE, 2, STATES | {"occluded": StateCalls(made=1)})

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. CI must have one; elsewhere its tests are skipped where it is missing."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        missing = "the page is tested in Chromium, which is not installed (Debian, Ubuntu: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=executable, args=FLAGS) as browser:
        yield browser


@pytest.fixture
def window(chromium) -> Iterator[Callable[..., Page]]:
    """Opens an empty window by its width in CSS pixels, and optionally its preferred colour scheme."""
    with ExitStack() as windows:

        def opened(width: int, scheme: Literal["light", "dark"] = "light") -> Page:
            size = {"width": width, "height": 900}
            return windows.enter_context(chromium.new_page(viewport=size, color_scheme=scheme, is_mobile=width < 600))

        yield opened


@pytest.fixture(scope="session")
def shots():
    """The gallery of a clip whose masks the third target loses bit by bit."""
    from tinysam2.data.sample_clip import render_sample_clip
    from tinysam2.data.tracked import TrackedFrame, TrackedObject
    from tinysam2.scoring.metrics import mask_iou
    from tinysam2.validation.reporting.gallery import Gallery

    def tracked(ids: np.ndarray) -> TrackedFrame:
        objects = {i: TrackedObject(np.where(ids == i, 1, -1).astype(np.float32), 0.9, 5.0) for i in (1, 2)}
        return TrackedFrame(objects, *SIZE)

    clip, gallery = render_sample_clip(FRAMES, SIZE, objects=2), Gallery()
    gallery.begin("koi")
    for index, (frame, ids) in enumerate(zip(clip.frames, clip.masks, strict=True)):
        answers = {"coreml": ids, "executorch": ids, "tflite": np.roll(ids, index, axis=1)}
        gallery.add(
            frame,
            tracked(ids),
            {name: (tracked(answer), mask_iou(ids > 0, answer > 0)) for name, answer in answers.items()},
        )
    return gallery.shots()


@pytest.fixture
def findings() -> Report:
    """A validation of three targets that passed; parts of it are measured, and parts are not."""
    memory, measured = (
        memory_of(1),
        MeasuredMemory(300, 90 * MIB, 99 * MIB, 100 * MIB, 102 * MIB, -4096, 24_576, 24_576),
    )
    targets = []
    for name, precision, sqnr, factor in (
        ("coreml", "fp16", 61.53, 1),
        ("executorch", "fp32", 130.2, 2),
        ("tflite", "fp32", 200.0, 2),
    ):
        programs = tuple(program_of(program, sqnr - 6 * place) for place, program in enumerate(PROGRAMS))
        chain = ChainParity((clip_of("koi", place=0),), 124, 12_588 * factor)
        gates = (
            *parity_gates(precision, programs, chain),
            *memory_gates(preset("nano"), memory_of(factor), chain, BUDGET, measured if name == "coreml" else None),
        )
        targets.append(
            TargetReport(
                name, precision, f"{name}'s runtime", {"torch": "2.13.0"}, programs, chain, memory_of(factor),
                measured if name == "coreml" else None, gates,
                ("memory layout",) if name == "coreml" else (),
                None if name == "coreml" else contiguous_layouts(program_contract(preset("nano"))),
            )
        )  # fmt: skip
    return Report("nano", "seeded weights", "ab" * 32, False, (CLIP,), BUDGET, memory, measured, tuple(targets))


@pytest.fixture
def report(findings) -> dict:
    """The same as JSON has it."""
    return json.loads(json.dumps(findings.to_json()))


@pytest.fixture
def failing_report(findings) -> dict:
    """The report where the last target lost the object: one gate fails."""
    *others, last = findings.targets
    gates = tuple(replace(g, value=0.41) if g.measure == "least mask IoU" else g for g in last.gates)
    clip = replace(last.chain.clips[0], iou_by_frame=(1.0, 0.9999, 0.41, 0.9999, 1.0))
    chain = replace(last.chain, clips=(clip,))
    failing = replace(findings, targets=(*others, replace(last, chain=chain, gates=gates)))
    return json.loads(json.dumps(failing.to_json()))


@pytest.fixture
def report_of_several(findings) -> dict:
    """The report of three clips: of the second the truth is not known, and on the third the last target regressed."""
    targets = []
    for place, target in enumerate(findings.targets):
        last = clip_of("newt", 2)
        if place == 2:
            last = replace(last, score={name: value - 0.05 for name, value in last.score.items()})
        middle = replace(clip_of("a|heron", 1), score=None, float_score=None)
        targets.append(replace(target, chain=replace(target.chain, clips=(*target.chain.clips, middle, last))))
    clips = (CLIP, replace(CLIP, name="a|heron", objects=1), replace(CLIP, name="newt"))
    return json.loads(json.dumps(replace(findings, clips=clips, targets=tuple(targets)).to_json()))


def clip_of(name: str, place: int) -> ClipParity:
    ious = tuple(1 - 0.0001 * (frame + place) for frame in range(FRAMES))
    score = {"J": 0.6812, "F": 0.7154, "JF": 0.6983}
    return ClipParity(
        name, ious, {state: 61.53 - place for state in BANK_STATES if state != TWO_OBJECTS}, score, score, 0.9997
    )


def program_of(name: str, sqnr: float) -> ProgramParity:
    tensors = (
        TensorParity("features", sqnr, 0.99999, 1.5e-3),
        TensorParity("logits", min(sqnr + 3.25, 200.0), 1.0, 2.1e-6),
    )
    return ProgramParity(name, FRAMES, tensors, *((0.9953, 1.0, 0.9968) if name == "memory_encoder" else (None,)))


def memory_of(factor: int) -> ModelMemory:
    def amount(bytes_: int, known: str = "planned") -> Amount:
        return Amount(bytes_ * factor, known)

    tensors = (TensorBytes("conv_1 [1, 16, 128, 128]", 524_288 * factor), TensorBytes("image", 196_608 * factor))
    programs = {
        name: ProgramMemory(
            amount(1_000_000 + place, "stored"),
            Peak(300_000 * factor * (place + 1), "estimated", "conv in stem", tensors),
            amount(196_608),
            amount(131_072),
        )
        for place, name in enumerate(PROGRAMS)
    }
    return ModelMemory(
        programs, amount(4_200_000, "stored"), amount(1_200_000, "estimated"), amount(12_588), amount(131_072)
    )
