"""The presets at 512 and 1024 pixels convert to every target and pass every gate.

Slow: `pytest -m slow tests/e2e/test_large_presets.py` takes about eight minutes on two cores.
"""

import pytest

from tinysam2.core.config import preset
from tinysam2.core.targets import TARGETS
from tinysam2.models.weights.checkpoint import load_model
from tinysam2.validation.parity.scenes import sample_scene
from tinysam2.validation.validate import validate_artifacts

FRAMES = 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tinysam2-512", "tinysam2"])
def test_large_presets_pass_every_gate(name, tmp_path, capsys):
    from tinysam2.converters.convert import convert_model
    from tinysam2.views.validation import print_report

    loaded = load_model(preset(name))
    convert_model(loaded, {target.name: target.default_precision for target in TARGETS.values()}, tmp_path)

    report = validate_artifacts(loaded, tmp_path, [sample_scene(FRAMES)])

    with capsys.disabled():
        print_report(report)
    assert [gate for target in report.targets for gate in target.gates if not gate.passed] == []
