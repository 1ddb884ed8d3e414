"""A small bundle that is verified in a second: the small model behind a target whose artifact is one word."""

import sys
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
import pytest

from tinysam2.converters.bundle.archive import write_zip
from tinysam2.converters.bundle.writer import Contents, write_bundle
from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.contract import program_contract
from tinysam2.core.errors import InputError
from tinysam2.core.targets import RuntimePackage, Target, register_target, unregister_target
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.registration import register_preset, unregister_preset
from tinysam2.validation.golden.recording import record_artifacts
from tinysam2.validation.memory.budget import Budget, Limit

STAND_IN = "stand-in"
LIMITS = {name: {"mib": 5, "reason": "a test's"} for name in
          ("bank", "activations", "weights", "total", "growth_over_300_frames")}  # fmt: skip


class StandIn(TorchBackend):
    """The small model; the word "noisy" makes its mask decoder's logits wrong."""

    target = STAND_IN

    def __init__(self, model, word: str) -> None:
        super().__init__(model)
        self.word = word

    def execute(self, program, inputs):
        outputs = super().execute(program, inputs)
        if self.word == "noisy" and program == "mask_decoder":
            outputs["mask_logits"] = -outputs["mask_logits"]
        return {name: np.array(value) for name, value in outputs.items()}


@pytest.fixture(scope="module", autouse=True)
def stand_in(small_config, small_model):
    """Registers the preset and the target for these tests."""
    module = ModuleType("stand_in_backend")

    def load(folder: Path, card: ArtifactCard) -> StandIn:
        word = (folder / card.files["image_encoder"]).read_text()
        if word not in ("sound", "noisy"):
            raise InputError(f"the artifact says {word!r}; convert again")
        return StandIn(small_model, word)

    module.load = load
    sys.modules[module.__name__] = module
    limits = {name: Limit(**limit) for name, limit in LIMITS.items()}
    register_preset(small_config, Budget(**limits))
    register_target(
        Target(
            name=STAND_IN,
            title="Stand-in",
            packages=("numpy",),
            converter=None,
            backend=module.__name__,
            precisions=MappingProxyType({"fp32": "float32"}),
            shipped_for=("pocket",),
            runtime=RuntimePackage("Stand-in", "1.0", {"pocket": "stand-in"}),
        )
    )
    yield
    unregister_target(STAND_IN)
    unregister_preset(small_config.name)


@pytest.fixture(scope="module")
def sound(stand_in, small_config, tmp_path_factory) -> Path:
    """A sound bundle's folder; tests must not change it."""
    artifacts, folder = tmp_path_factory.mktemp("artifacts"), tmp_path_factory.mktemp("dist") / "pocket"
    card = ArtifactCard(
        target=STAND_IN,
        preset=small_config.name,
        precision="fp32",
        io_dtype="float32",
        files=dict.fromkeys(program_contract(small_config), "model.bin"),
        weights="seeded weights",
        weights_digest="ab" * 32,
        trained=False,
        versions={"torch": "2.13.0"},
    )
    (artifacts / "model.bin").write_text("sound")
    card.sealed(artifacts).write(artifacts)
    report = {"targets": [{"target": STAND_IN, "passed": True}], "budget": LIMITS}
    write_bundle("pocket", [card], artifacts, Contents(report, "<!DOCTYPE html>", record_artifacts), folder)
    return folder


@pytest.fixture(scope="module")
def zipped(sound) -> Path:
    write_zip(sound, "pocket", sound.with_suffix(".zip"))
    return sound.with_suffix(".zip")


@pytest.fixture
def bundle(sound, tmp_path) -> Path:
    """A copy to be changed."""
    import shutil

    return Path(shutil.copytree(sound, tmp_path / "pocket"))


@pytest.fixture
def resealed(reseal):
    """Rewrites card, manifest and digest after a change, as one who tampers with a whole bundle would."""
    import hashlib
    import json

    from tinysam2.core.manifest import digest_line

    def write(bundle: Path, **changes) -> None:
        reseal(bundle, STAND_IN)
        manifest = json.loads((bundle / "manifest.json").read_text()) | changes
        for name in manifest["files"]:
            data = (bundle / name).read_bytes()
            manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        (bundle / "manifest.sha256").write_text(digest_line((bundle / "manifest.json").read_bytes()))

    return write
