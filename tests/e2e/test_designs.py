"""Networks of other designs convert to every target, one in float and one in int8, and pass every gate."""

from dataclasses import replace
from pathlib import Path

import pytest

import tinysam2
from tinysam2.core.config import AttentionConfig, preset
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.data.datasets import open_dataset
from tinysam2.models.quantization.conversion import freeze
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE
from tinysam2.models.training.calibration import calibrated
from tinysam2.models.training.clips import ClipSampler
from tinysam2.models.training.footage import Footage
from tinysam2.models.training.settings import UNALTERED, Stage, TrainingSettings
from tinysam2.models.weights.checkpoint import LoadedModel, seeded_model, weights_digest
from tinysam2.validation.memory.budget import default_budget
from tinysam2.validation.parity.scenes import sample_scene
from tinysam2.validation.validate import validate_artifacts

FRAMES = 3
DESIGNS = {
    "coarse": {"attention": AttentionConfig(query_pool=2), "mask_downsampler_widths": (16, 64)},
    "pooled": {"attention": AttentionConfig(key_pool=2, window=8), "memory_layers": 1},
}


@pytest.fixture
def design(request):
    """A preset of another design, registered while its tests run."""
    config = replace(preset("nano"), name=request.param, **DESIGNS[request.param])
    tinysam2.register_preset(config, default_budget("nano"))
    yield config
    tinysam2.unregister_preset(config.name)


def failed_gates(loaded: LoadedModel, artifacts: Path) -> list:
    report = validate_artifacts(loaded, artifacts, [sample_scene(FRAMES)])
    return [gate for target in report.targets for gate in target.gates if not gate.passed]


@pytest.mark.parametrize("design", ["pooled"], indirect=True)
def test_float_artifacts_pass_every_gate(design, converted):
    model = seeded_model(design)
    loaded = LoadedModel(model, "seeded weights", False, weights_digest(model.state_dict()))
    artifacts = converted(loaded, {target.name: target.default_precision for target in TARGETS.values()})
    assert failed_gates(loaded, artifacts) == []


@pytest.mark.parametrize("design", ["coarse"], indirect=True)
def test_int8_artifacts_pass_every_gate(design, converted, clip):
    settings = TrainingSettings(steps=1, augmentation=UNALTERED, curriculum=(Stage(1.0, 4, 1.0),))
    sampler = ClipSampler(Footage(open_dataset(clip), design.image_size), settings, design)
    model = freeze(calibrated(seeded_model(design), DEFAULT_RECIPE, sampler, batches=1))
    loaded = LoadedModel(model, "calibrated weights", False, weights_digest(model.state_dict()), DEFAULT_RECIPE)
    artifacts = converted(loaded, dict.fromkeys(TARGETS, INT8))
    assert failed_gates(loaded, artifacts) == []
