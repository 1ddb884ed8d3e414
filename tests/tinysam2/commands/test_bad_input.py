"""Bad input to `track` and `convert`: one sentence, status 2, no traceback, nothing half-written."""

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tinysam2.core.targets import TARGETS
from tinysam2.data.masks import write_mask
from tinysam2.models.weights.checkpoint import save_checkpoint

POINT = ("--point", "40,30")


@dataclass(frozen=True)
class Desk:
    """A folder to make bad input in, beside good input to make it from."""

    folder: Path
    clip: Path
    video: Path

    def file(self, name: str, data: bytes = b"") -> Path:
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def clip_copy(self) -> Path:
        shutil.copytree(self.clip / "frames", self.folder / "frames")
        return self.folder / "frames"

    def picture(self, name: str, mode: str = "RGB", size: tuple[int, int] = (96, 72)) -> Path:
        Image.new(mode, size).save(self.folder / name)
        return self.folder / name


@pytest.fixture
def desk(tmp_path, clip, video) -> Desk:
    (tmp_path / "desk").mkdir()
    return Desk(tmp_path / "desk", clip, video)


@pytest.fixture(params=["no former output", "a former output"])
def refused(request, run, assert_refused, contents, tmp_path) -> Callable[..., None]:
    """Runs `track`, which must refuse with these words and leave the results as they were."""
    results = tmp_path / "results"
    results.mkdir()
    output = results / "tracked"
    if request.param == "a former output":
        output.mkdir()
        (output / "overlay.mp4").write_bytes(b"former")
    earlier = contents(results)

    def check(clip: Path, *options: object, backend: str = "torch", words: list[str]) -> None:
        result = run("track", clip, "--backend", backend, *options, "--output", output)
        assert_refused(result, *words)
        assert contents(results) == earlier

    return check


def a_truncated_video(desk: Desk) -> Path:
    whole = desk.video.read_bytes()
    return desk.file("cut.mp4", whole[: len(whole) * 2 // 3])


def a_folder_without_frames(desk: Desk) -> Path:
    desk.file("notes.txt", b"no frames here")
    return desk.folder


def frames_of_different_sizes(desk: Desk) -> Path:
    frames = desk.clip_copy()
    Image.new("RGB", (95, 72)).save(frames / "00002.jpg")
    return frames


def a_damaged_frame_amid_the_clip(desk: Desk) -> Path:
    frames = desk.clip_copy()
    whole = (frames / "00002.jpg").read_bytes()
    (frames / "00002.jpg").write_bytes(whole[: len(whole) // 2])
    return frames


@pytest.mark.parametrize(
    ("clip_of", "words"),
    [
        (lambda desk: desk.folder / "absent.mp4", ["absent.mp4 does not exist"]),
        (lambda desk: desk.file("empty.mp4"), ["empty.mp4 is an empty file"]),
        (a_truncated_video, ["cut.mp4", "cut short", "a whole video file"]),
        (lambda desk: desk.file("notes.mp4", b"not a video" * 99), ["notes.mp4", "not a video"]),
        (lambda desk: desk.file("notes.txt", b"plain text, " * 99), ["notes.txt", "video file"]),
        (lambda desk: desk.picture("one.png"), ["one.png is a single picture"]),
        (a_folder_without_frames, ["holds no frames"]),
        (frames_of_different_sizes, ["00002.jpg is 95x72", "one size"]),
        (a_damaged_frame_amid_the_clip, ["00002.jpg is damaged"]),
    ],
)
def test_a_clip_that_cannot_be_read(desk, refused, clip_of, words):
    refused(clip_of(desk), *POINT, words=words)


def an_empty_mask(desk: Desk) -> Path:
    write_mask(desk.folder / "mask.png", np.zeros((72, 96), np.uint8))
    return desk.folder / "mask.png"


@pytest.mark.parametrize(
    ("mask_of", "words"),
    [
        (lambda desk: desk.folder / "absent.png", ["absent.png does not exist"]),
        (lambda desk: desk.file("mask.png", b"no picture"), ["mask.png is damaged"]),
        (lambda desk: desk.picture("mask.jpg", "L"), ["mask.jpg is a JPEG", "PNG"]),
        (lambda desk: desk.picture("mask.png", "P", (95, 72)), ["mask.png is 95x72", "96x72"]),
        (an_empty_mask, ["mask.png is empty"]),
        *(
            (lambda desk, mode=mode: desk.picture("mask.png", mode), [f"mode {mode}", "P ", "L ", "1"])
            for mode in ("RGB", "RGBA", "LA", "I;16")
        ),
    ],
)
def test_a_mask_that_does_not_fit(desk, refused, mask_of, words):
    refused(desk.clip, "--mask", mask_of(desk), words=words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], ["nothing to track", "--point, --box, --mask or --prompts"]),
        (["--point", "96,30"], ["point 96,30 lies outside", "96x72"]),
        (["--point", "-1,30"], ["point -1,30 lies outside"]),
        (["--point", "nan,30"], ["point nan,30 lies outside"]),
        (["--box", "10,10,97,50"], ["box 10,10,97,50 reaches outside", "96x72"]),
        (["--box", "50,10,10,50"], ["box 50,10,10,50 is empty"]),
        (["--point", "40"], ["--point '40' is not x,y"]),
        (["--point", "40,thirty"], ["--point '40,thirty' is not x,y"]),
        (["--point", "40,30,2"], ["--point '40,30,2' is not x,y"]),
        (["--box", "1,2,3"], ["--box '1,2,3' is not left,top,right,bottom"]),
        ([*POINT, *POINT, *POINT, "--box", "1,1,9,9"], ["3 points and a box", "at most 4"]),
        ([*POINT, "--mask", "mask.png"], ["--mask", "--point and --box"]),
    ],
)
def test_a_prompt_that_says_nothing_or_too_much(desk, refused, options, words):
    refused(desk.clip, *options, words=words)


@pytest.mark.usefixtures("toolchains")
@pytest.mark.parametrize(
    ("backend", "options", "words"),
    [
        ("onnx", [], ["unknown backend 'onnx'", "torch, coreml, executorch, tflite"]),
        ("torch", ["--preset", "huge"], ["unknown preset 'huge'"]),
        ("torch", ["--precision", "fp16"], ["torch runs in fp32, not in 'fp16'"]),
        ("executorch", ["--precision", "fp16"], ["executorch has no precision 'fp16'"]),
        ("torch", ["--artifacts", "artifacts"], ["leave --artifacts out"]),
        ("tflite", ["--artifacts", "a", "--checkpoint", "b"], ["--artifacts or --checkpoint, not both"]),
    ],
)
def test_a_model_that_there_is_not(desk, refused, backend, options, words):
    refused(desk.clip, *POINT, *options, backend=backend, words=words)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_runtime_that_is_not_installed(desk, refused, monkeypatch, target):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = ["not installed", f"pip install 'tinysam2[{target.extra}]'"]
    refused(desk.clip, *POINT, backend=target.name, words=words)


BAD_CHECKPOINTS = {
    "missing": ["does not exist", ".safetensors"],
    "no safetensors": ["not a readable safetensors file"],
    "missing key": ["lacks image_encoder.", "preset nano"],
    "extra key": ["has extra.weight", "unknown to preset nano"],
    "wrong shape": ["of shape [3]", "preset nano wants"],
    "not a number": ["not finite"],
}


@pytest.fixture(scope="module")
def bad_checkpoints(tmp_path_factory, nano_model) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    good = nano_model.state_dict()
    name = next(key for key, value in good.items() if value.is_floating_point())
    states = {
        "missing key": {key: value for key, value in good.items() if key != name},
        "extra key": {**good, "extra.weight": torch.zeros(1)},
        "wrong shape": {**good, name: torch.zeros(3)},
        "not a number": {**good, name: torch.full_like(good[name], torch.nan)},
    }
    paths = {fault: folder / f"{fault}.safetensors" for fault in BAD_CHECKPOINTS}
    paths["no safetensors"].write_bytes(b"PK\x03\x04 a zip file, by its first bytes")
    for fault, state in states.items():
        save_checkpoint({key: value.clone() for key, value in state.items()}, paths[fault], {})
    return paths


@pytest.mark.parametrize("fault", BAD_CHECKPOINTS)
def test_no_tracking_with_a_checkpoint_that_does_not_fit(desk, refused, bad_checkpoints, fault):
    words = [str(bad_checkpoints[fault]), *BAD_CHECKPOINTS[fault]]
    refused(desk.clip, *POINT, "--checkpoint", bad_checkpoints[fault], words=words)


@pytest.mark.usefixtures("toolchains")
@pytest.mark.parametrize("fault", BAD_CHECKPOINTS)
def test_a_checkpoint_that_does_not_fit_is_not_converted(run, assert_refused, tmp_path, bad_checkpoints, fault):
    output = tmp_path / "artifacts"
    result = run("convert", "tflite", "--checkpoint", bad_checkpoints[fault], "--output", output)
    assert_refused(result, str(bad_checkpoints[fault]), *BAD_CHECKPOINTS[fault])
    assert not output.exists()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("notes.txt", ["notes.txt: it is a file", "name a folder"]),
        ("notes.txt/tracked", ["notes.txt is a file"]),
        ("thesis", ["will not replace the folder", "holds no overlay.mp4"]),
        ("thesis.mp4", ["thesis.mp4: it is a folder", "name a file"]),
        ("tracked.mov", ["tracked.mov is a .mov file", ".mp4 file or a folder"]),
        ("/proc/tracked", ["cannot write /proc/tracked"]),
        ("/proc/tracked.mp4", ["cannot write /proc/tracked.mp4"]),
        (".", ["working folder"]),
        ("pond.mp4", ["would replace the input"]),
    ],
)
def test_an_output_that_cannot_be(run, assert_refused, contents, desk, monkeypatch, output, words):
    monkeypatch.chdir(desk.folder)
    desk.file("notes.txt", b"mine")
    shutil.copy(desk.video, desk.folder / "pond.mp4")
    for folder in ("thesis", "thesis.mp4"):
        (desk.folder / folder).mkdir()
        desk.file(f"{folder}/chapter.txt", b"years of work")
    earlier = contents(desk.folder)
    assert_refused(run("track", "pond.mp4", "--backend", "torch", *POINT, "--output", output), *words)
    assert contents(desk.folder) == earlier


def test_a_clip_within_a_former_output_is_not_replaced(run, assert_refused, contents, desk):
    shutil.copy(desk.video, desk.folder / "overlay.mp4")
    earlier = contents(desk.folder)
    result = run("track", desk.folder / "overlay.mp4", "--backend", "torch", *POINT, "--output", desk.folder)
    assert_refused(result, "would replace the input")
    assert contents(desk.folder) == earlier


FILES = {"coreml": "mask_decoder.mlpackage", "executorch": "tinysam2.pte", "tflite": "tinysam2.tflite"}


def garbage(path: Path, size: int) -> None:
    data = np.random.default_rng(0).bytes(size)
    if path.suffix == ".mlpackage":
        path.mkdir()
        path = path / "Manifest.json"
    path.write_bytes(data)


@pytest.mark.usefixtures("toolchains")
@pytest.mark.parametrize("target", FILES)
@pytest.mark.parametrize("size", [0, 5000])
def test_a_corrupt_artifact(desk, refused, write_card, target, size):
    garbage(desk.folder / FILES[target], size)
    write_card(desk.folder, target, FILES[target])
    words = [str(desk.folder / FILES[target])]
    refused(desk.clip, *POINT, "--artifacts", desk.folder, backend=target, words=words)


@pytest.mark.usefixtures("toolchains")
def test_artifacts_that_are_not_there(desk, refused):
    words = ["holds no LiteRT artifacts", "tinysam2 convert tflite"]
    refused(desk.clip, *POINT, "--artifacts", desk.folder, backend="tflite", words=words)


@pytest.mark.usefixtures("toolchains")
def test_an_artifact_that_its_card_names_and_the_folder_lacks(desk, refused, write_card):
    write_card(desk.folder, "tflite", "tinysam2.tflite")
    (desk.folder / "tinysam2.tflite").unlink()
    words = ["tinysam2.tflite is missing", "convert again"]
    refused(desk.clip, *POINT, "--artifacts", desk.folder, backend="tflite", words=words)


@pytest.mark.usefixtures("toolchains")
def test_a_card_that_cannot_be_read(desk, refused):
    desk.file("tflite.json", b'{"target": "tflite"}')
    words = ["tflite.json is not an artifact card", "convert again"]
    refused(desk.clip, *POINT, "--artifacts", desk.folder, backend="tflite", words=words)


@pytest.mark.usefixtures("toolchains")
@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--preset", "tinysam2"], ["belong to preset nano, not tinysam2"]),
        (["--precision", "fp16"], ["are fp32, not fp16"]),
    ],
)
def test_artifacts_of_another_preset_or_precision_than_asked_for(desk, refused, write_card, option, words):
    desk.file("tinysam2.tflite")
    write_card(desk.folder, "tflite", "tinysam2.tflite")
    refused(desk.clip, *POINT, *option, "--artifacts", desk.folder, backend="tflite", words=words)
