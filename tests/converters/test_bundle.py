"""A bundle holds one platform's artifacts and all that an app must know, and repeats the verdict as it is."""

import hashlib
import json
from pathlib import Path

import pytest

from tinysam2.converters.bundle import platforms, write_bundle
from tinysam2.core.artifacts import ArtifactCard, read_card
from tinysam2.core.config import preset
from tinysam2.core.contract import bank_spec, program_contract
from tinysam2.core.targets import TARGETS

NANO = preset("nano")
SUFFIX = {"coreml": ".mlpackage", "executorch": ".pte", "tflite": ".tflite"}


def make_artifacts(folder: Path) -> list[ArtifactCard]:
    """Cards of all targets: Core ML's packages are folders, LiteRT's programs share one file."""
    cards = []
    for target in TARGETS.values():
        shared = target.name == "tflite"
        files = {p: f"{'all' if shared else p}{SUFFIX[target.name]}" for p in program_contract(NANO)}
        for name in set(files.values()):
            if target.name == "coreml":
                (folder / name / "Data").mkdir(parents=True)
                (folder / name / "Data" / "weights.bin").write_text(f"weights of {name}")
            else:
                (folder / name).write_text(f"{name} itself")
        card = ArtifactCard(
            target=target.name,
            preset="nano",
            precision=target.default_precision,
            io_dtype=target.precisions[target.default_precision],
            files=files,
            weights="seeded weights (nano, seed 2605)",
            weights_digest="ab" * 32,
            trained=False,
            versions={"torch": "2.13.0"},
        )
        card.write(folder)
        cards.append(card)
    return cards


def report_of(**passed: bool) -> dict:
    return {"targets": [{"target": name, "passed": passed.get(name, True)} for name in TARGETS]}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    make_artifacts(folder)
    return folder


@pytest.fixture
def bundle(artifacts, tmp_path):
    """Writes a bundle and returns its folder and its manifest."""

    def write(platform: str, **passed: bool) -> tuple[Path, dict]:
        cards = [read_card(artifacts, target) for target in TARGETS.values()]
        folder = tmp_path / "new" / platform
        write_bundle(platform, cards, artifacts, report_of(**passed), "<!DOCTYPE html>", folder)
        return folder, json.loads((folder / "manifest.json").read_text())

    return write


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_there_is_a_platform_for_each_kind_of_phone():
    assert platforms() == ("ios", "android")


@pytest.mark.parametrize(
    ("platform", "targets"), [("ios", ["coreml", "executorch"]), ("android", ["executorch", "tflite"])]
)
def test_only_the_platforms_targets_are_included(bundle, platform, targets):
    folder, manifest = bundle(platform)
    assert list(manifest["targets"]) == list(manifest["parity"]["targets"]) == targets
    assert manifest["platform"] == platform
    shipped = {suffix for suffix in SUFFIX.values() if any(suffix in name for name in contents(folder))}
    assert shipped == {SUFFIX[target] for target in targets}


@pytest.mark.parametrize("platform", platforms())
def test_the_artifacts_are_copied_as_they_are_and_can_be_loaded_from_the_bundle(bundle, artifacts, platform):
    folder, manifest = bundle(platform)
    for name in manifest["targets"]:
        assert read_card(folder, TARGETS[name]) == read_card(artifacts, TARGETS[name])
    originals = contents(artifacts)
    copied = contents(folder)
    del copied["manifest.json"], copied["report.json"], copied["report.html"]
    assert copied.items() <= originals.items()


@pytest.mark.parametrize("platform", platforms())
def test_the_manifest_lists_every_file_with_its_size_and_sha256(bundle, platform):
    folder, manifest = bundle(platform)
    found = contents(folder)
    del found["manifest.json"]
    assert manifest["files"] == {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in found.items()
    }


def test_every_file_that_a_target_names_is_in_the_bundle(bundle):
    folder, manifest = bundle("ios")
    for entry in manifest["targets"].values():
        assert list(entry["files"]) == list(program_contract(NANO))
        assert all((folder / name).exists() for name in entry["files"].values())


def test_the_verdict_passed_is_repeated(bundle):
    _, manifest = bundle("ios")
    assert manifest["parity"] == {
        "passed": True,
        "targets": {"coreml": True, "executorch": True},
        "report": "report.json",
    }


def test_the_verdict_failed_is_repeated(bundle):
    _, manifest = bundle("ios", coreml=False)
    assert manifest["parity"]["passed"] is False
    assert manifest["parity"]["targets"] == {"coreml": False, "executorch": True}


def test_another_platforms_failure_does_not_count(bundle):
    _, manifest = bundle("android", coreml=False)
    assert manifest["parity"]["passed"] is True


def test_the_report_is_included_whole(bundle):
    folder, _ = bundle("ios", tflite=False)
    assert json.loads((folder / "report.json").read_text()) == report_of(tflite=False)
    assert (folder / "report.html").read_text() == "<!DOCTYPE html>"


def test_the_manifest_says_where_the_weights_come_from_and_that_they_are_untrained(bundle):
    _, manifest = bundle("android")
    assert manifest["preset"] == "nano"
    assert manifest["weights"] == {
        "source": "seeded weights (nano, seed 2605)",
        "sha256": "ab" * 32,
        "trained": False,
    }


def test_the_manifest_tells_every_tensor_of_every_program(bundle):
    _, manifest = bundle("ios")
    for name, spec in program_contract(NANO).items():
        told = manifest["programs"][name]
        assert [(t["name"], tuple(t["shape"])) for t in told["inputs"]] == [(t.name, t.shape) for t in spec.inputs]
        assert [(t["name"], tuple(t["shape"])) for t in told["outputs"]] == [(t.name, t.shape) for t in spec.outputs]


def test_the_manifest_tells_what_to_do_around_the_calls(bundle):
    _, manifest = bundle("ios")
    frame = manifest["frame"]
    assert frame["calls"] == list(program_contract(NANO)) == list(manifest["programs"])
    assert frame["image"]["size"] == [256, 256]
    assert frame["points"]["most"] == 4
    assert frame["mask_prompt"]["size"] == frame["mask_logits"]["size"] == [64, 64]
    assert frame["bank"]["tensors"] == [tensor.name for tensor in bank_spec(NANO)]
    assert frame["bank"]["empty"] == "zeros, and -1 in slot_age and pointer_age"


def test_each_target_says_how_it_is_run(bundle):
    _, manifest = bundle("android")
    told = manifest["targets"]["tflite"]
    assert (told["precision"], told["io_dtype"]) == ("fp32", "float32")
    assert told["runtime"] == TARGETS["tflite"].runtime
    assert told["tensors_are_passed"] == TARGETS["tflite"].addressing
    assert told["versions"] == {"torch": "2.13.0"}


def test_a_folder_that_is_there_already_is_left_alone(bundle, tmp_path):
    mine = tmp_path / "new" / "ios" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(FileExistsError):
        bundle("ios")
    assert contents(tmp_path) == {"new/ios/mine.txt": b"mine"}
