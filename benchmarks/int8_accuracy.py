"""What each step from the float model to an int8 artifact costs, in J&F.

    python -m benchmarks.int8_accuracy --train davis2016/train --test davis2016/val \
        --calibrated nano-ptq.safetensors --output accuracy

Steps: the float model; its image encoder fused; int8 by calibration alone; int8 by training; and the trained one's
artifacts, each in its runtime. An outside reference: LiteRT's own quantizer (ai-edge-quantizer), given the float
artifact and the same kind of clips, for the kinds of layer that are int8 here.
A run that was stopped goes on where it was.
"""

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import click
import numpy as np
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer

from benchmarks.converting import converted
from tinysam2.converters.litert.converter import FILE
from tinysam2.core.artifacts import read_card
from tinysam2.core.config import preset
from tinysam2.core.files import write_text
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.data.datasets import open_dataset
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.weights.checkpoint import LoadedModel, load_model
from tinysam2.scoring.evaluation import Watch, evaluate_sequences, track_sequence
from tinysam2.scoring.evaluation_settings import EvaluationSettings
from tinysam2.scoring.scores import DatasetScore
from tinysam2.validation.parity.recording import RecordingBackend
from tinysam2.views.console import print_table, shown_steps

LITERT = TARGETS["tflite"]

CLIPS, FRAMES = 8, 6
"""That the outside quantizer is calibrated on: the first frames of clips spread over the training data."""

INT8_HERE = (TFLOperationName.CONV_2D, TFLOperationName.DEPTHWISE_CONV_2D, TFLOperationName.FULLY_CONNECTED)
"""What convolutions and linear layers are in a `.tflite`."""


@dataclass(frozen=True)
class StepScore:
    """One step and its scores over the test data, 0 to 1; kept: its share of the float model's J&F."""

    name: str
    runtime: str
    j: float
    f: float
    jf: float
    kept: float


@dataclass(frozen=True, eq=False)
class EvaluatedModel:
    """A model on a runtime. folder: of its masks. opened: loads it, converting it where that is not done yet."""

    name: str
    folder: str
    precision: str
    weights: LoadedModel
    opened: Callable[[], Backend]


def steps_to_int8(
    float_model: LoadedModel,
    calibrated: LoadedModel,
    trained: LoadedModel,
    videos: Sequence[AnnotatedSequence],
    output: Path,
) -> Iterator[EvaluatedModel]:
    """Every row of the table, in order."""
    yield EvaluatedModel("float", "float", "fp32", float_model, lambda: TorchBackend(float_model.model))
    yield EvaluatedModel("fused", "fused", "fp32", float_model, lambda: TorchBackend(_fused(float_model.model)))
    yield EvaluatedModel("int8, calibrated", "calibrated", INT8, calibrated, lambda: TorchBackend(calibrated.model))
    yield EvaluatedModel("int8, trained", "trained", INT8, trained, lambda: TorchBackend(trained.model))
    for name, target in TARGETS.items():
        yield EvaluatedModel(
            f"int8, trained: {target.title}", f"trained-{name}", INT8, trained,
            lambda name=name: load_artifacts(TARGETS[name], _artifacts(trained, name, INT8, output)),
        )  # fmt: skip
    yield EvaluatedModel(
        "int8, ai-edge-quantizer: LiteRT", "outside", INT8, float_model,
        lambda: load_artifacts(LITERT, _quantized_outside(float_model, videos, output)),
    )  # fmt: skip


def _fused(model: TinySAM2) -> TinySAM2:
    fused = copy.deepcopy(model)
    fused.image_encoder = fused.image_encoder.fuse()
    return fused


def _artifacts(loaded: LoadedModel, target: str, precision: str, output: Path) -> Path:
    return converted(loaded, {target: precision}, output / "artifacts" / precision)


def _quantized_outside(loaded: LoadedModel, videos: Sequence[AnnotatedSequence], output: Path) -> Path:
    """The float `.tflite` as ai-edge-quantizer quantizes it: W8A8 by minimum and maximum, weights by channel."""
    source = _artifacts(loaded, LITERT.name, "fp32", output)
    recorder, inputs = RecordingBackend(TorchBackend(loaded.model)), {}
    with one_thread():
        for video in videos[:: max(1, len(videos) // CLIPS)][:CLIPS]:
            for _ in itertools.islice(track_sequence(Tracker(recorder), video), FRAMES):
                pass
    for call in recorder.take():
        inputs.setdefault(call.program, []).append(
            {name: np.asarray(value, np.float32) for name, value in call.inputs.items()}
        )
    quantizer = Quantizer(str(source / FILE))
    for operation in INT8_HERE:
        quantizer.add_static_config(regex=".*", operation_name=operation, activation_num_bits=8, weight_num_bits=8)
    with silenced():
        quantized = quantizer.quantize(quantizer.calibrate(inputs, num_threads=1)).quantized_model
    folder = output / "outside"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(quantized)
    replace(read_card(source, LITERT), precision=INT8).sealed(folder).write(folder)
    return folder


def _evaluated(
    step: EvaluatedModel, test: Path, sequences: Sequence[AnnotatedSequence], output: Path, watch: Watch
) -> tuple[DatasetScore, str]:
    backend = step.opened()
    folder = output / "masks" / step.folder
    EvaluationSettings(
        data=str(test.resolve()),
        split=None,
        sequences=len(sequences),
        frames=sum(map(len, sequences)),
        prompt="mask",
        preset=backend.config.name,
        backend=backend.target,
        runtime=backend.runtime,
        precision=step.precision,
        weights=step.weights.source,
        weights_digest=step.weights.digest,
        trained=step.weights.trained,
    ).claim(folder)
    with one_thread():
        scores = evaluate_sequences(partial(Tracker, backend), sequences, folder, "mask", watch)
    return DatasetScore(tuple(scores)), backend.runtime


FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option("--train", "train_on", type=FOLDER, required=True, metavar="DIR", help="The outside quantizer's clips.")
@click.option("--test", type=FOLDER, required=True, metavar="DIR")
@click.option("--calibrated", required=True, metavar="FILE", help="As `tinysam2 quantize --calibrate-only` writes it.")
@click.option("--trained", metavar="FILE", help="As `tinysam2 quantize` writes it.  [default: nano's shipped one]")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR")
def main(train_on: Path, test: Path, calibrated: str, trained: str | None, output: Path) -> None:
    """Evaluate nano at every step to int8; prints the table and writes int8_accuracy.json to DIR."""
    config = preset("nano")
    videos, sequences = open_dataset(train_on), open_dataset(test)
    rows: list[StepScore] = []
    with shown_steps() as shown:
        shown.begin("loading the models")
        models = load_model(config), *(load_model(config, file, quantized=True) for file in (calibrated, trained))
        for step in steps_to_int8(*models, videos, output):
            shown.begin(f"preparing {step.name}")
            score, runtime = _evaluated(step, test, sequences, output, shown.counted)
            mean = score.to_json()["mean"]
            reference = rows[0].jf if rows else mean["JF"]
            rows.append(StepScore(step.name, runtime, mean["J"], mean["F"], mean["JF"], mean["JF"] / reference))
            write_text(output / "int8_accuracy.json", json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print_table(
        ("step", "runtime", "J", "F", "J&F", "of float"),
        [
            (row.name, row.runtime, *(f"{100 * value:.1f}" for value in (row.j, row.f, row.jf)), f"{row.kept:.1%}")
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()
