"""One layer broken in the real artifacts of every target is named; the unmodified ones name none."""

import json

import numpy as np

from tinysam2.core.targets import TARGETS
from tinysam2.models.network.programs import build_programs

PROGRAM, LAYER = "mask_decoder", "transformer.layers.0.mlp.layers.1"


def _located(result) -> dict:
    return {errors["target"]: errors["first"] for errors in json.loads(result.stdout)["located"]}


def test_noise_in_one_layer_is_located_in_every_target(run_tinysam2, copied, clip, loaded, reseal):
    folder = copied(*TARGETS)
    weight = build_programs(loaded.model)[PROGRAM].module.get_submodule(LAYER).weight.detach().numpy()
    noisy = weight * (1 + 0.1 * np.random.default_rng(0).standard_normal(weight.shape).astype(np.float32))
    for path in (path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for dtype in (np.float32, np.float16):
            data = data.replace(weight.astype(dtype).tobytes(), noisy.astype(dtype).tobytes())
        path.write_bytes(data)
    for target in TARGETS:
        reseal(folder, target)

    result = run_tinysam2("validate", folder, "--clip", clip, "--frames", 2, "--locate", PROGRAM, "--json")

    assert result.exit_code == 1, result.output
    located = _located(result)
    assert {target: first["layer"] for target, first in located.items()} == dict.fromkeys(TARGETS, f"{PROGRAM}.{LAYER}")
    assert all(first["local_sqnr_db"] < 30 < first["sqnr_drop_db"] for first in located.values())
    assert (folder / "located.png").is_file()


def test_unmodified_artifacts_name_no_layer(run_tinysam2, artifacts, clip):
    result = run_tinysam2("validate", artifacts, "--clip", clip, "--frames", 2, "--locate", "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["located"]
    assert {(errors["target"], errors["program"]) for errors in found if errors["first"]} == set()
    assert len(found) == 4 * len(TARGETS)
    assert all(errors["runtimes_agree"] for errors in found)
