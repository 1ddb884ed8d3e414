"""What each disturbance changes, how runs are compared, and what the benchmark prints, writes and refuses."""

import json
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.frame_path import (
    DISTURBANCES,
    GREY_LEVELS,
    UNDISTURBED,
    Agreement,
    Disturbance,
    DisturbanceScore,
    disturbed_scores,
    main,
)
from benchmarks.other_frames import OtherFrames
from tinysam2.core.config import preset
from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER
from tinysam2.data.datasets import open_dataset
from tinysam2.data.preprocessing import Preprocessor
from tinysam2.data.prompts import Point, Prompt
from tinysam2.data.sample_clip import write_sample_clip
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.scoring.evaluation import mean_j
from tinysam2.views.console import shown_steps

NANO = preset("nano")
SIDE = NANO.mask_size
BY_NAME = {disturbance.name: disturbance for disturbance in DISTURBANCES}


class Squares(AnnotatedSequence):
    """A square on a black ground, bright on even frames and dim on odd ones."""

    name = "squares"
    frame_names = tuple(f"{index:05d}" for index in range(6))

    def __init__(self):
        self.objects = {1: 0}

    def frame(self, index):
        return np.repeat(self.ids(index)[..., None], 3, 2) * np.uint8(60 if index % 2 else 200)

    def ids(self, index):
        ids = np.zeros((SIDE, SIDE), np.uint8)
        ids[8:24, 8:24] = 1
        return ids


class Thresholding(Backend):
    """Answers that the object is wherever the image is brighter than 128."""

    target, runtime = "thresholding", "a test"

    def __init__(self):
        super().__init__(NANO)

    def execute(self, program, inputs):
        outputs = {t.name: np.zeros(t.shape, np.float32) for t in self.contract[program].outputs}
        if program == IMAGE_ENCODER:
            cell = NANO.image_size // SIDE
            self.image = inputs["image"][0, 0, cell // 2 :: cell, cell // 2 :: cell]
        if program == MASK_DECODER:
            outputs["mask_logits"][0, 0] = self.image - 128
        return outputs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two sequences of four frames, 96x72, of one and of two objects; tests must not change it."""
    folder = tmp_path_factory.mktemp("data")
    for objects, name in enumerate(("koi", "pond"), 1):
        write_sample_clip(folder / name, 4, (96, 72), objects=objects)
    return folder


@pytest.fixture
def measure(data):
    """Runs the benchmark's command line in this process on the data set."""
    return lambda *options: CliRunner().invoke(main, ["--data", str(data), *map(str, options)])


def scored(backend, sequences, *disturbances):
    with shown_steps(visible=False) as steps:
        return disturbed_scores(backend, sequences, disturbances, steps)


def other(name, to_image):
    return Disturbance(name, name, lambda: to_image)


@pytest.fixture(scope="module")
def frame():
    """A frame of 320x240 with edges and texture."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (24, 32, 3), np.uint8).repeat(10, 0).repeat(10, 1)
    return (coarse // 2 + rng.integers(0, 64, coarse.shape, np.uint8)).astype(np.uint8)


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda disturbance: disturbance.name)
def test_a_disturbance_changes_the_image_a_little_and_nothing_else(disturbance, frame):
    contract, disturbed = Preprocessor(NANO.image_size, SIDE), OtherFrames(NANO, disturbance.begun())
    wanted, image = contract.image_tensor(frame), disturbed.image_tensor(frame)
    assert (image.shape, image.dtype) == (wanted.shape, wanted.dtype)
    assert image.min() >= 0
    assert image.max() <= 255
    assert 0 < np.abs(image - wanted).mean() < 12
    assert image.mean() == pytest.approx(wanted.mean(), abs=0.6)
    prompt = Prompt(points=(Point(20, 30),), mask=frame[..., 0] > 90)
    for name, tensor in contract.prompt_tensors(prompt, (320, 240)).items():
        assert np.array_equal(tensor, disturbed.prompt_tensors(prompt, (320, 240))[name])


def test_the_undisturbed_run_has_the_contracts_image(frame):
    image = OtherFrames(NANO, UNDISTURBED.begun()).image_tensor(frame)
    assert np.array_equal(image, Preprocessor(NANO.image_size, SIDE).image_tensor(frame))


def test_names_tell_disturbances_apart():
    assert len(BY_NAME) == len(DISTURBANCES)
    assert {"box", "plain-bilinear", "hamming", "bicubic", "lanczos", "area"} < set(BY_NAME)
    assert {"jpeg-90", "jpeg-75", "jpeg-50", "noise-gaussian", "noise-uniform"} < set(BY_NAME)


@pytest.mark.parametrize("name", ["noise-gaussian", "noise-uniform"])
def test_noise_is_as_large_as_it_says_and_the_same_in_every_run(name, frame):
    side = NANO.image_size
    contract = UNDISTURBED.begun()(frame, side).astype(float)
    first, second = (BY_NAME[name].begun() for _ in range(2))
    noise = first(frame, side) - contract
    assert np.array_equal(noise, second(frame, side) - contract)
    assert not np.array_equal(noise, first(frame, side) - contract)
    if name == "noise-gaussian":
        assert noise.std() == pytest.approx(GREY_LEVELS, rel=0.02)
    else:
        assert 0.99 * GREY_LEVELS < np.abs(noise).max() <= GREY_LEVELS + 1e-9


def test_jpeg_of_a_lower_quality_is_further_from_the_frame(frame):
    side = NANO.image_size
    contract = UNDISTURBED.begun()(frame, side).astype(float)
    errors = [np.abs(BY_NAME[f"jpeg-{q}"].begun()(frame, side) - contract).mean() for q in (90, 75, 50)]
    assert errors[0] < errors[1] < errors[2]


def test_equal_runs_have_equal_masks_and_no_difference(small_model, data):
    backend, sequences = TorchBackend(small_model), open_dataset(data)
    undisturbed, same = scored(backend, sequences, other("same", UNDISTURBED.begun()))
    assert (same.mask_iou, same.jf_difference, same.within) == (1.0, 0.0, True)
    assert (same.j, same.f, same.jf) == (undisturbed.j, undisturbed.f, undisturbed.jf)
    assert undisturbed.j == pytest.approx(mean_j(partial(Tracker, backend), sequences))


def test_a_difference_is_positive_where_a_disturbance_helps_and_negative_where_it_harms():
    def brightened(frame, side):
        return np.minimum(UNDISTURBED.begun()(frame, side) * 3.0, 255)

    def blackened(frame, side):
        return np.zeros((side, side, 3))

    runs = other("bright", brightened), other("black", blackened)
    undisturbed, bright, black = scored(Thresholding(), [Squares()], *runs)
    # Of frames 1 to 4, the scored ones, two are bright; of 1 to 5, the compared ones, two as well.
    assert undisturbed.jf == pytest.approx(0.5)
    assert (bright.jf_difference, black.jf_difference) == pytest.approx((0.5, -0.5))
    assert bright.mask_iou == pytest.approx(2 / 5)
    assert black.mask_iou == pytest.approx(3 / 5)
    assert not bright.within
    assert bright.sequences["squares"].jf == pytest.approx(1.0)
    assert bright.sequences["squares"].mask_iou == bright.mask_iou


def test_masks_are_compared_by_object_from_the_frame_after_its_first_and_two_empty_ones_are_equal():
    agreement = Agreement({1: 0, 2: 1, 3: 2})
    one, two, none = (np.full((4, 4), value, np.uint8) for value in (1, 2, 0))
    for index, (undisturbed, ids) in enumerate([(one, none), (one, one), (none, two)]):
        agreement.add(index, None, undisturbed, ids)
    assert agreement.object_ious() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("difference", "iou", "within"),
    [(0.005, 0.97, True), (-0.005, 1.0, True), (0.006, 1.0, False), (-0.006, 1.0, False), (0.0, 0.969, False)],
)
def test_a_disturbance_is_within_limits_by_its_difference_and_by_its_masks(difference, iou, within):
    assert DisturbanceScore("a", "a", 0.5, 0.5, 0.5, difference, iou, {}).within == within


def test_the_json_holds_settings_and_each_disturbance_by_sequence(measure, tmp_path):
    file = tmp_path / "figures.json"
    result = measure("--only", "plain-bilinear", "--json", file)
    assert result.exit_code == 0, result.output
    assert "resized by plain bilinear" in result.stdout
    report = json.loads(file.read_text())
    assert report["settings"]["frames"] == 8
    assert (report["settings"]["backend"], report["settings"]["precision"]) == ("torch", "fp32")
    assert [row["name"] for row in report["disturbances"]] == ["undisturbed", "plain-bilinear"]
    undisturbed, disturbed = report["disturbances"]
    assert (undisturbed["jf_difference"], undisturbed["mask_iou"], undisturbed["within"]) == (0, 1, True)
    assert disturbed["jf"] == pytest.approx((disturbed["j"] + disturbed["f"]) / 2)
    assert disturbed["jf_difference"] == pytest.approx(disturbed["jf"] - undisturbed["jf"])
    assert {name: sorted(row) for name, row in disturbed["sequences"].items()} == {
        "koi": ["jf", "mask_iou"],
        "pond": ["jf", "mask_iou"],
    }


def test_torch_runs_int8_weights_too_and_json_may_go_to_standard_output(measure):
    result = measure("--precision", "int8", "--only", "jpeg-90", "--json", "-")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["settings"]["backend"], report["settings"]["precision"]) == ("torch", "int8")
    assert report["disturbances"][1]["what"] == "compressed as JPEG of quality 90"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--only", "fog"), "there is no disturbance fog; the disturbances are box, "),
        (("--split", "val"), "split"),
        (("--precision", "int8", "--artifacts", "."), "torch runs checkpoints; leave --artifacts out"),
        (("--precision", "fp16"), "torch runs in fp32, not in 'fp16'"),
        (("--backend", "onnx"), "unknown backend 'onnx'; the backends are torch, "),
        (("--checkpoint", "none.safetensors"), "none.safetensors"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(measure, options, sentence):
    result = measure(*options)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in result.output


def test_help_has_an_example():
    assert "python -m benchmarks.frame_path --data" in CliRunner().invoke(main, ["--help"]).output
