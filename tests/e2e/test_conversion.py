"""The nano preset, converted for real, is still the model."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from tinysam2.converters.stages import EXPORT_STAGES
from tinysam2.core.targets import TARGETS
from tinysam2.mobile_runtime.loading import load_artifacts

EVERY_ARTIFACT = [
    ("artifacts", "coreml"),
    ("artifacts", "executorch"),
    ("artifacts", "tflite"),
    ("other_artifacts", "coreml"),
    ("other_artifacts", "tflite"),
]

GRAPH_BYTES = 2**20
"""Room for what a file holds beside weights: operators, names, position tables. A second copy of them has none."""


def test_all_artifacts_pass_every_gate_on_the_sample_clip(run_tinysam2, artifacts, other_artifacts, clip):
    for folder in (artifacts, other_artifacts):
        result = run_tinysam2("validate", folder, "--clip", clip, "--json")

        report = json.loads(result.stdout)
        failed = [gate for target in report["targets"] for gate in target["gates"] if not gate["passed"]]
        assert failed == []
        assert result.exit_code == 0


def test_reports_are_written_in_the_forms_that_their_names_ask_for(run_tinysam2, artifacts, clip, tmp_path):
    paths = {suffix: tmp_path / f"report.{suffix}" for suffix in ("html", "json", "md", "xml")}
    options = [option for path in paths.values() for option in ("--report", path)]
    result = run_tinysam2("validate", artifacts, "--clip", clip, "--frames", 3, *options)

    assert result.exit_code == 0, result.output
    report = json.loads(paths["json"].read_text())
    assert paths["html"].read_text(encoding="utf-8").count("data:image/webp;base64,") == 3 * (1 + 2 * 3)
    assert paths["md"].read_text(encoding="utf-8").startswith("## All 3 targets passed")
    cases = ElementTree.parse(paths["xml"]).getroot().iter("testcase")
    assert len(list(cases)) == sum(len(target["gates"]) for target in report["targets"])


def test_every_stage_of_each_target_is_told_as_it_begins(artifacts):
    steps = artifacts.with_name(f"{artifacts.name}.steps").read_text().splitlines()
    told = [step.partition(" ")[::2] for step in steps]
    shares = [float(share) for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    for target in TARGETS.values():
        of_target = [step.partition(": ")[2] for _, step in told if step.startswith(f"{target.title}: ")]
        stages = [*EXPORT_STAGES, *target.stages]
        assert of_target[:-1] == [f"{stage} ({n} of {len(stages)})" for n, stage in enumerate(stages, 1)]
        assert re.fullmatch(r"converted in [\d.]+ s, [\d.]+ s of processor time, at most [\d,]+ MiB", of_target[-1])


def test_artifacts_hold_the_weights_once_at_the_precision_asked_for(artifacts, other_artifacts, loaded):
    parameters = sum(p.numel() for p in loaded.model.parameters())

    def size(folder, pattern):
        return sum(file.stat().st_size for file in folder.glob(pattern))

    for folder, pattern, bytes_per_parameter in (
        (artifacts, "*.pte", 4),
        (artifacts, "*.tflite", 4),
        (other_artifacts, "*.tflite", 2),
        (artifacts, "*.mlpackage/**/weight.bin", 2),
        (other_artifacts, "*.mlpackage/**/weight.bin", 4),
    ):
        weights = bytes_per_parameter * parameters
        assert 0.9 * weights < size(folder, pattern) < weights + GRAPH_BYTES, pattern


@pytest.mark.parametrize(("folder", "target"), EVERY_ARTIFACT)
def test_a_card_names_the_artifact_s_own_dtypes(request, folder, target):
    backend = load_artifacts(TARGETS[target], request.getfixturevalue(folder))
    inputs = {
        tensor.name: np.zeros(tensor.shape, np.float32) for spec in backend.contract.values() for tensor in spec.inputs
    }

    for program, spec in backend.contract.items():
        outputs = backend.run(program, inputs)

        assert {name: value.dtype for name, value in outputs.items()} == dict.fromkeys(
            spec.output_names, backend.io_dtype
        )


@pytest.mark.parametrize("target", list(TARGETS))
def test_track_writes_a_mask_a_frame_at_the_clip_s_size(run_tinysam2, artifacts, short_clip, tmp_path, target):
    result = run_tinysam2(
        "track", short_clip, "--backend", target, "--artifacts", artifacts,
        "--mask", short_clip / "masks" / "00000.png", "--output", tmp_path / "tracked",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    masks = sorted((tmp_path / "tracked").glob("*.png"))
    frames = sorted((short_clip / "frames").iterdir())
    assert [mask.stem for mask in masks] == [frame.stem for frame in frames]
    assert {Image.open(mask).size for mask in masks} == {Image.open(frames[0]).size}
    # The first frame's masks are the prompt itself, but for the cells of the mask's own grid.
    prompt, first = (np.asarray(Image.open(p)) for p in (short_clip / "masks" / "00000.png", masks[0]))
    assert (prompt == first).mean() > 0.98


@pytest.mark.parametrize(
    ("sequence", "prompt"), [("davis2016/val/blackswan", []), ("clips/04_coffee.mp4", ["--point", "640,360"])]
)
def test_all_artifacts_pass_every_gate_on_real_video(run_tinysam2, artifacts, shared_data, sequence, prompt):
    result = run_tinysam2("validate", artifacts, "--clip", shared_data / sequence, *prompt, "--frames", 12, "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["clips"][0]["frames"] == 12
