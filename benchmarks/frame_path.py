"""How much the tracker depends on a frame's path: J&F and masks where an app makes its image another way.

    python -m benchmarks.frame_path --data davis2016 --split val

Every sequence is tracked from its objects' first masks, once by the frame contract and once by each disturbance: the
frame resized by another filter, compressed as JPEG before it is resized, or the image off by noise.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.command import Benchmark
from benchmarks.other_frames import FrameToImage, OtherFrames
from tinysam2.core.config import PRESETS, ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.core.files import check_output_file, write_text
from tinysam2.core.targets import INT8, TORCH
from tinysam2.data.datasets import open_dataset
from tinysam2.data.other_filters import OTHER_FILTERS, resized
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.inputs.options import (
    DEFAULT_PRESET,
    FILE_OR_FOLDER,
    STDOUT,
    Named,
    artifacts_option,
    backend,
    backends,
    checkpoint_option,
    data_option,
    grouped,
    precision_option,
    preset_option,
    split_option,
)
from tinysam2.inputs.runnable import ModelChoice, RunnableModel
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.weights.checkpoint import load_model
from tinysam2.scoring.evaluation import check_scored, track_sequence
from tinysam2.scoring.evaluation_settings import EvaluationSettings
from tinysam2.scoring.metrics import mask_iou
from tinysam2.scoring.scores import ObjectScore, RunningScore, mean_figures
from tinysam2.views.console import Steps, print_table, shown_steps

LARGEST_DIFFERENCE, LEAST_IOU = 0.005, 0.97
"""Within these a disturbance counts as harmless: of J&F from the undisturbed run's, either way, and of its masks."""

JPEG_QUALITIES = (90, 75, 50)
GREY_LEVELS = 0.3
"""Noise, as its standard deviation or as its bounds: less than a byte can show, as of a resize without rounding."""

SEED = 0


@dataclass(frozen=True, eq=False)
class Disturbance:
    """Another path of the frame. begun: makes it anew for each sequence, so that noise begins at its seed."""

    name: str
    what: str
    begun: Callable[[], FrameToImage]


@dataclass(frozen=True)
class SequenceFigures:
    """A sequence under one disturbance, 0 to 1: J&F, and its mean mask IoU with the undisturbed run."""

    jf: float
    mask_iou: float


@dataclass(frozen=True)
class DisturbanceScore:
    """One disturbance over a data set, means over its objects, 0 to 1.

    jf_difference: J&F less the undisturbed run's. mask_iou: with the undisturbed run's masks, two empty ones being
    equal, over each object's frames after its first. sequences: by name.
    """

    name: str
    what: str
    j: float
    f: float
    jf: float
    jf_difference: float
    mask_iou: float
    sequences: Mapping[str, SequenceFigures]

    @property
    def within(self) -> bool:
        """Whether J&F and masks stay within the limits."""
        return abs(self.jf_difference) <= LARGEST_DIFFERENCE and self.mask_iou >= LEAST_IOU

    def to_json(self) -> dict:
        return {**asdict(self), "within": self.within}


class Agreement:
    """One run over one sequence: scored against the truth, and compared with the undisturbed run, frame by frame.

    objects: object id -> the first frame with its mask.
    """

    def __init__(self, objects: Mapping[int, int]) -> None:
        self._objects, self._running = objects, RunningScore(objects)
        self._ious: dict[int, list[float]] = {object_id: [] for object_id in objects}

    def add(self, index: int, truth: np.ndarray | None, undisturbed: np.ndarray, ids: np.ndarray) -> None:
        """The next frame's ids [H, W]: the truth's, None where it is not annotated; both runs'."""
        self._running.add(truth, ids)
        for object_id, first in self._objects.items():
            if index > first:
                self._ious[object_id].append(mask_iou(undisturbed == object_id, ids == object_id))

    def object_scores(self) -> list[ObjectScore]:
        return self._running.object_scores()

    def object_ious(self) -> list[float]:
        """Each object's mean mask IoU with the undisturbed run, where it has a frame after its first."""
        return [float(np.mean(by_frame)) for by_frame in self._ious.values() if by_frame]


def _filtered(how: str) -> Disturbance:
    return Disturbance(how.replace(" ", "-"), f"resized by {how}", lambda: partial(resized, how=how))


def _compressed(quality: int) -> Disturbance:
    def to_image(frame: np.ndarray, side: int) -> np.ndarray:
        with io.BytesIO() as file:
            Image.fromarray(frame).save(file, "JPEG", quality=quality)
            return resized(np.asarray(Image.open(file)), side)

    return Disturbance(f"jpeg-{quality}", f"compressed as JPEG of quality {quality}", lambda: to_image)


def _noisy(kind: str, what: str, draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]) -> Disturbance:
    def begun() -> FrameToImage:
        rng = np.random.default_rng(SEED)

        def to_image(frame: np.ndarray, side: int) -> np.ndarray:
            image = resized(frame, side)
            return np.clip(image + draw(rng, image.shape), 0, 255)

        return to_image

    return Disturbance(f"noise-{kind}", what, begun)


UNDISTURBED = Disturbance("undisturbed", "the frame contract", lambda: resized)

DISTURBANCES = (
    # Pillow's antialiased bilinear gives the contract's bytes.
    *(_filtered(how) for how in OTHER_FILTERS if how != "bilinear"),
    *(_compressed(quality) for quality in JPEG_QUALITIES),
    _noisy(
        "gaussian",
        f"Gaussian noise of {GREY_LEVELS} grey levels on the image",
        lambda rng, shape: rng.normal(0, GREY_LEVELS, shape),
    ),
    _noisy(
        "uniform",
        f"uniform noise within {GREY_LEVELS} grey levels on the image",
        lambda rng, shape: rng.uniform(-GREY_LEVELS, GREY_LEVELS, shape),
    ),
)


def disturbed_scores(
    backend: Backend, sequences: Sequence[AnnotatedSequence], disturbances: Sequence[Disturbance], steps: Steps
) -> list[DisturbanceScore]:
    """The undisturbed run's score, then each disturbance's.

    Raises InputError at a sequence in which nothing is scored, or which cannot be read or tracked.
    """
    for sequence in sequences:
        check_scored(sequence)
    runs = (UNDISTURBED, *disturbances)
    by_sequence = {sequence.name: _tracked(backend, sequence, runs, steps) for sequence in sequences}
    scores: list[DisturbanceScore] = []
    for position, run in enumerate(runs):
        found = {name: agreements[position] for name, agreements in by_sequence.items()}
        figures = _figures(found.values())
        j, f, jf = (figures[name] for name in ("J", "F", "JF"))
        difference = jf - scores[0].jf if scores else 0.0
        named = {name: SequenceFigures(_figures([one])["JF"], _mean_iou([one])) for name, one in found.items()}
        scores.append(DisturbanceScore(run.name, run.what, j, f, jf, difference, _mean_iou(found.values()), named))
    return scores


def _tracked(
    backend: Backend, sequence: AnnotatedSequence, runs: Sequence[Disturbance], steps: Steps
) -> list[Agreement]:
    """Every run over a sequence, side by side, so that no masks need be kept; the first is the undisturbed run."""
    trackers = [Tracker(backend, OtherFrames(backend.config, run.begun())) for run in runs]
    agreements = [Agreement(sequence.objects) for _ in runs]
    frames = zip(*(track_sequence(tracker, sequence) for tracker in trackers), strict=True)
    for index, by_run in enumerate(steps.counted(frames, f"tracking {sequence.name}", len(sequence))):
        truth = sequence.ids(index)
        for agreement, ids in zip(agreements, by_run, strict=True):
            agreement.add(index, truth, by_run[0], ids)
    return agreements


def _figures(agreements: Iterable[Agreement]) -> dict[str, float]:
    """J, F and J&F, means over the objects; `check_scored` saw to it that there are some."""
    figures = mean_figures(score for agreement in agreements for score in agreement.object_scores())
    return {name: value for name, value in figures.items() if value is not None}


def _mean_iou(agreements: Iterable[Agreement]) -> float:
    return float(np.mean([iou for agreement in agreements for iou in agreement.object_ious()]))


@dataclass(frozen=True)
class GivenModel:
    """The model that the command line asks for: as `ModelChoice`, and torch has int8 as well."""

    backend: str
    artifacts: Path | None
    preset: ModelConfig | None
    checkpoint: Path | None
    precision: str | None

    def opened(self, steps: Steps) -> AbstractContextManager[RunnableModel]:
        """The model, to be used within the block; raises InputError as `ModelChoice`."""
        if (self.backend, self.precision) != (TORCH, INT8):
            choice = ModelChoice(self.backend, self.artifacts, self.preset, self.checkpoint, self.precision)
            return choice.opened(steps)
        if self.artifacts:
            raise InputError("torch runs checkpoints; leave --artifacts out, or name another backend")
        steps.begin("loading the model")
        loaded = load_model(self.preset or PRESETS[DEFAULT_PRESET], self.checkpoint, quantized=True)
        return nullcontext(
            RunnableModel(TorchBackend(loaded.model), INT8, loaded.source, loaded.digest, loaded.trained)
        )


model_options = grouped(
    "model",
    GivenModel,
    {
        "backend": click.option(
            "--backend", type=Named(backend, backends), default=TORCH, show_default=True, help="Runtime."
        ),
        "artifacts": artifacts_option,
        "preset": preset_option(default=None),
        "checkpoint": checkpoint_option,
        "precision": precision_option,
    },
)


def chosen_disturbances(only: Sequence[str]) -> list[Disturbance]:
    """The disturbances of these names, all where there are none; raises InputError for one that there is not."""
    names = [disturbance.name for disturbance in DISTURBANCES]
    if unknown := sorted(set(only) - set(names)):
        raise InputError(f"there is no disturbance {unknown[0]}; the disturbances are {', '.join(names)}")
    return [disturbance for disturbance in DISTURBANCES if not only or disturbance.name in only]


@click.command(cls=Benchmark)
@data_option
@split_option
@model_options
@click.option("--only", multiple=True, metavar="NAME", help="Disturbances to track with; repeatable.  [default: all]")
@click.option(
    "--json",
    "json_file",
    type=FILE_OR_FOLDER,
    metavar="FILE",
    help="Where the figures go as JSON, by disturbance and sequence; - prints them in place of the table.",
)
def main(data: Path, split: str | None, model: GivenModel, only: tuple[str, ...], json_file: Path | None) -> None:
    """Track a data set by the frame contract and by other paths of the frame; print J&F and how equal the masks are.

    \b
    Example:
      python -m benchmarks.frame_path --data davis2016 --split val --json float.json
      python -m benchmarks.frame_path --data davis2016 --split val --precision int8 --only plain-bilinear
    """
    to_file = None if json_file == STDOUT else json_file
    if to_file is not None:
        check_output_file(to_file)
    settings, scores = _measured(data, split, model, only)
    report = {"settings": asdict(settings), "disturbances": [score.to_json() for score in scores]}
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    if to_file is not None:
        write_text(to_file, text)
    if json_file == STDOUT:
        click.echo(text, nl=False)
        return
    print_scores(scores)
    click.echo(
        f"{settings.preset} {settings.precision}, run by {settings.runtime}; "
        f"{settings.sequences} sequences, {settings.frames} frames"
    )


def _measured(
    data: Path, split: str | None, model: GivenModel, only: Sequence[str]
) -> tuple[EvaluationSettings, list[DisturbanceScore]]:
    disturbances = chosen_disturbances(only)
    with shown_steps() as steps, one_thread():
        steps.begin("reading the data set")
        sequences = open_dataset(data, split)
        with model.opened(steps) as opened:
            settings = opened.evaluation_settings(data, split, sequences, prompt="mask")
            return settings, disturbed_scores(opened.backend, sequences, disturbances, steps)


def print_scores(scores: Sequence[DisturbanceScore]) -> None:
    """Prints a row a disturbance; J&F in percent."""
    print_table(
        ("frame", "name", "J&F", "difference", "mask IoU", "within limits"),
        [
            (
                score.what,
                score.name,
                f"{100 * score.jf:.2f}",
                f"{100 * score.jf_difference:+.2f}",
                f"{score.mask_iou:.4f}",
                "yes" if score.within else "no",
            )
            for score in scores
        ],
    )


if __name__ == "__main__":
    main()
