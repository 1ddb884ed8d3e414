"""A bundle holds one platform's artifacts and all that an app must know, and repeats the verdict as it is."""

import hashlib
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinysam2.converters.bundle.archive import write_zip
from tinysam2.converters.bundle.platforms import platforms
from tinysam2.converters.bundle.writer import Contents, write_bundle
from tinysam2.core.artifacts import ArtifactCard, read_card
from tinysam2.core.config import preset
from tinysam2.core.contract import bank_spec, program_contract
from tinysam2.core.errors import InputError
from tinysam2.core.frame_contract import frame_section
from tinysam2.core.manifest import manifest_schema, read_manifest
from tinysam2.core.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
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
        ).sealed(folder)
        card.write(folder)
        cards.append(card)
    return cards


def report_of(**passed: bool) -> dict:
    targets = [{"target": name, "passed": passed.get(name, True)} for name in TARGETS]
    return {"targets": targets, "budget": {"bank": {"mib": 0.025}}}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    make_artifacts(folder)
    return folder


@pytest.fixture
def bundle(artifacts, tmp_path):
    """Writes a bundle and returns its folder and its manifest."""

    def write(platform: str, golden=None, **passed: bool) -> tuple[Path, dict]:
        cards = [read_card(artifacts, target) for target in TARGETS.values()]
        folder = tmp_path / "new" / platform
        write_bundle(platform, cards, artifacts, Contents(report_of(**passed), "<!DOCTYPE html>", golden), folder)
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
    assert copied.items() >= {name: data for name, data in originals.items() if name in copied}.items()
    files = {file for name in manifest["targets"] for file in read_card(folder, TARGETS[name]).files.values()}
    assert {name.partition("/")[0] for name in originals if name in copied} >= files


@pytest.mark.parametrize("platform", platforms())
def test_the_manifest_lists_every_file_with_its_size_and_sha256(bundle, platform):
    folder, manifest = bundle(platform)
    found = contents(folder)
    del found["manifest.json"], found["manifest.sha256"]
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
        "licence": "not stated",
        "trained_on": [],
    }


def test_the_manifest_tells_every_tensor_of_every_program_in_call_order(bundle):
    _, manifest = bundle("ios")
    assert [program["name"] for program in manifest["programs"]] == list(program_contract(NANO))
    for told, spec in zip(manifest["programs"], program_contract(NANO).values(), strict=True):
        assert [(t["name"], tuple(t["shape"])) for t in told["inputs"]] == [(t.name, t.shape) for t in spec.inputs]
        assert [(t["name"], tuple(t["shape"])) for t in told["outputs"]] == [(t.name, t.shape) for t in spec.outputs]
        assert {t["layout"] for t in told["inputs"] + told["outputs"]} == {"contiguous"}


def test_the_manifest_tells_how_the_bank_begins_and_what_feeds_it(bundle):
    _, manifest = bundle("ios")
    assert [(t["name"], tuple(t["shape"]), t["fed_back_from"]) for t in manifest["bank"]["tensors"]] == [
        (tensor.name, tensor.shape, f"next_{tensor.name}") for tensor in bank_spec(NANO)
    ]
    initial = {tensor["name"]: tensor["initial"] for tensor in manifest["bank"]["tensors"]}
    assert {name for name, value in initial.items() if value == -1.0} == {"slot_age", "pointer_age"}
    assert {value for name, value in initial.items() if "age" not in name} == {0.0}


def test_the_manifest_repeats_the_frame_contract(bundle):
    _, manifest = bundle("ios")
    assert manifest["frame"] == frame_section(NANO)


def test_the_manifest_holds_the_bank_to_the_reports_budget(bundle):
    _, manifest = bundle("android")
    floats = sum(int(np.prod(tensor.shape)) for tensor in bank_spec(NANO))
    assert manifest["budget"] == {
        "bank_bytes_per_object": 4 * floats,
        "limit_bytes_per_object": int(0.025 * 2**20),
        "passed": True,
    }


@pytest.mark.parametrize(
    ("platform", "oldest"), [("ios", {"ios": "17.0", "macos": "14.0"}), ("android", {"min_sdk": 24})]
)
def test_the_manifest_names_the_oldest_systems(bundle, platform, oldest):
    _, manifest = bundle(platform)
    assert manifest["deployment"] == oldest


def test_each_target_says_how_it_is_run(bundle):
    _, manifest = bundle("android")
    told = manifest["targets"]["tflite"]
    assert (told["precision"], told["io_dtype"]) == ("fp32", "float32")
    assert told["runtime"] == {
        "name": "LiteRT", "package": "com.google.ai.edge.litert:litert", "minimum_version": "2.3.0"
    }  # fmt: skip
    assert (told["inputs_by"], told["outputs_by"]) == ("name", "output_index")
    assert (manifest["targets"]["executorch"]["inputs_by"], told["versions"]) == ("position", {"torch": "2.13.0"})


def test_the_schema_travels_with_the_manifest_which_fits_it(bundle):
    folder, manifest = bundle("ios")
    assert json.loads((folder / "manifest.schema.json").read_text()) == manifest_schema()
    assert read_manifest(folder / "manifest.json") == manifest


def test_golden_vectors_are_written_by_the_caller_and_listed(bundle):
    asked = []

    def golden(folder: Path, cards) -> None:
        asked.extend(card.target for card in cards)
        assert (folder / "tinysam2.pte").exists() or (folder / "mask_decoder.pte").exists()
        (folder / "golden").mkdir()
        (folder / "golden/index.json").write_text("{}")

    _, manifest = bundle("android", golden=golden)
    assert asked == ["executorch", "tflite"]
    assert manifest["golden"] == "golden/index.json"
    assert "golden/index.json" in manifest["files"]


def test_without_golden_vectors_the_manifest_says_so(bundle):
    _, manifest = bundle("android")
    assert manifest["golden"] is None


def test_host_code_is_copied_without_what_building_leaves(bundle, tmp_path, monkeypatch):
    (tmp_path / "hosts/android/src/build").mkdir(parents=True)
    (tmp_path / "hosts/android/src/Tracker.kt").write_text("class Tracker")
    (tmp_path / "hosts/android/src/build/Tracker.class").write_text("compiled")
    monkeypatch.setattr("tinysam2.converters.bundle.platforms.HOSTS", tmp_path / "hosts")
    folder, manifest = bundle("android")
    assert (folder / "host/src/Tracker.kt").read_text() == "class Tracker"
    assert [name for name in manifest["files"] if name.startswith("host/")] == ["host/src/Tracker.kt"]


def test_artifacts_of_different_checkpoints_make_no_bundle(artifacts, tmp_path):
    cards = [read_card(artifacts, target) for target in TARGETS.values()]
    cards[1] = replace(cards[1], weights_digest="cd" * 32, weights="other.safetensors")
    with pytest.raises(InputError, match=r"of seeded weights .* and executorch artifacts of other.safetensors"):
        write_bundle("ios", cards, artifacts, Contents(report_of(), ""), tmp_path / "ios")
    assert not (tmp_path / "ios").exists()


def test_a_folder_that_is_there_already_is_left_alone(bundle, tmp_path):
    mine = tmp_path / "new" / "ios" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(FileExistsError):
        bundle("ios")
    assert contents(tmp_path) == {"new/ios/mine.txt": b"mine"}


def test_the_digest_of_the_manifest_lies_beside_it(bundle):
    folder, _ = bundle("ios")
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert (folder / "manifest.sha256").read_text() == f"{digest}  manifest.json\n"


def test_the_licence_of_the_weights_travels_with_them(artifacts, tmp_path):
    cards = [
        replace(read_card(artifacts, target), licence="CC-BY-NC-4.0", trained_on=("DAVIS",))
        for target in TARGETS.values()
    ]
    write_bundle("ios", cards, artifacts, Contents(report_of(), ""), tmp_path / "ios")
    manifest = read_manifest(tmp_path / "ios/manifest.json")
    assert manifest["weights"]["licence"] == "CC-BY-NC-4.0"
    assert manifest["weights"]["trained_on"] == ["DAVIS"]
    card = (tmp_path / "ios/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| licence of the weights | **CC-BY-NC-4.0**" in card
    assert "| trained on | DAVIS |" in card
    assert "Non-commercial research use only" in (tmp_path / "ios/LICENSES/WEIGHTS.md").read_text(encoding="utf-8")


def test_weights_without_a_licence_are_said_to_have_none(bundle):
    folder, _ = bundle("ios")
    assert "names no licence" in (folder / "LICENSES/WEIGHTS.md").read_text(encoding="utf-8")


def test_the_codes_licence_is_the_repositorys(bundle):
    folder, _ = bundle("ios")
    assert (folder / "LICENSES/Apache-2.0.txt").read_text() == (ROOT / "LICENSE").read_text()


def test_the_model_card_says_which_target_failed(bundle):
    folder, _ = bundle("ios", coreml=False)
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "a target failed its checks" in card
    assert [line.split("|")[3].strip() for line in card.splitlines() if line.startswith(("| coreml", "| execu"))] == [
        "**FAILED**",
        "passed",
    ]


def test_the_shipped_weights_bring_their_own_card_without_links_that_lead_nowhere(artifacts, tmp_path):
    cards = [replace(read_card(artifacts, target), weights="shipped weights (nano)") for target in TARGETS.values()]
    write_bundle("android", cards[1:], artifacts, Contents(report_of(), ""), tmp_path / "android")
    card = (tmp_path / "android/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## Shipped weights" in card
    assert "](../" not in card


def test_equal_folders_make_equal_zips_whenever_they_were_written(tmp_path):
    for name, time in (("a", 1_000_000_000), ("b", 1_700_000_000)):
        (tmp_path / name / "sub").mkdir(parents=True)
        for file in ("sub/z.txt", "y.txt"):
            (tmp_path / name / file).write_text(f"text of {file}")
            os.utime(tmp_path / name / file, (time, time))
        (tmp_path / name / "y.txt").chmod(0o600 if name == "a" else 0o755)
        write_zip(tmp_path / name, "ios", tmp_path / f"{name}.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == ["ios/sub/z.txt", "ios/y.txt"]
