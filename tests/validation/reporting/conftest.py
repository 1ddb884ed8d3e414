"""A report of three targets with its gallery, and a headless Chromium that looks at pages."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinysam2.core.config import preset
from tinysam2.core.units import MIB
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
PATIENCE = 60.0
"""Seconds that the browser may take to answer."""


class Browser:
    """A headless Chromium with one page, spoken to in the DevTools protocol over a pair of pipes.

    events: everything that the browser reported unasked, as (method, parameters), in order. Source of the framing
    (JSON, then a zero byte, on descriptors 3 and 4): Chromium's content/browser/devtools/devtools_pipe_handler.cc.
    """

    def __init__(self, executable: str, profile: Path) -> None:
        command_out, command_in = os.pipe()
        answer_out, answer_in = os.pipe()

        def wire() -> None:
            # By way of higher numbers: either pipe may itself sit on 3 or 4.
            reader, writer = os.dup(command_out), os.dup(answer_in)
            os.dup2(reader, 3)
            os.dup2(writer, 4)

        self.process = subprocess.Popen(
            [
                executable, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
                "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            close_fds=False, preexec_fn=wire,
        )  # fmt: skip
        os.close(command_out)
        os.close(answer_in)
        self._in, self._out = command_in, answer_out
        os.set_blocking(self._out, False)
        self._buffer, self._asked, self._session = b"", 0, None
        self.events: list[tuple[str, dict]] = []
        [target] = [t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: object) -> dict:
        """Sends a command and returns its result."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._asked:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def open(self, page: Path, width: int, height: int = 900, scheme: str = "light") -> None:
        """Shows a file at a window's width in CSS pixels and with a preferred colour scheme, and waits for it."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            self._receive()

    def evaluate(self, expression: str) -> object:
        """The value of a JavaScript expression on the page."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """Writes a PNG picture of the page."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._in)
        self.process.terminate()
        self.process.wait(PATIENCE)
        os.close(self._out)

    def _receive(self) -> dict:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            try:
                chunk = os.read(self._out, 1 << 16)
                assert chunk, "the browser ended"
                self._buffer += chunk
            except BlockingIOError:
                assert time.monotonic() < deadline, "the browser does not answer"
                time.sleep(0.005)
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer = json.loads(message)
        if "method" in answer:
            self.events.append((answer["method"], answer["params"]))
        return answer


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """The system's Chromium. CI must have one; elsewhere its tests are skipped where it is missing."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        missing = "the page is tested in Chromium, which is not installed (Debian, Ubuntu: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    opened = Browser(executable, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


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
    return ClipParity(name, ious, {state: 61.53 - place for state in BANK_STATES if state != TWO_OBJECTS}, score, score)


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
