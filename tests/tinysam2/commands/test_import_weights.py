"""`import-weights`: checkpoints of each kind, with the real names at nano's widths, become checkpoints of ours."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tinysam2.core.config import PRESETS
from tinysam2.models.weights.checkpoint import load_model

NANO = PRESETS["nano"]
TRUNK = "image_encoder.trunk."


def random_state(shapes):
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def heads():
    """Some tensors that SAM 2.1 and EdgeTAM have in common."""
    return {
        "sam_prompt_encoder.no_mask_embed.weight": (1, 128),
        "sam_mask_decoder.mask_tokens.weight": (4, 128),
        "sam_mask_decoder.conv_s0.weight": (16, 128, 1, 1),
        "sam_mask_decoder.conv_s0.bias": (16,),
        "maskmem_tpos_enc": (7, 1, 1, 32),
        "no_mem_pos_enc": (1, 1, 128),
    }


@pytest.fixture(scope="module")
def trunk(nano_model):
    """RepViT as timm names it, with values of its own."""
    state = nano_model.image_encoder.trunk.state_dict()
    return {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in state.items()}


@pytest.fixture(scope="module")
def sources(tmp_path_factory, trunk) -> dict[str, Path]:
    """A checkpoint of each kind."""
    folder = tmp_path_factory.mktemp("sources")
    sam2 = random_state(heads() | {f"{TRUNK}blocks.0.attn.qkv.weight": (288, 96)})
    edgetam = random_state(heads() | {"spatial_perceiver.latents": (256, 64)}) | {
        f"{TRUNK}body.{name.replace('stages.', 'stages_')}": tensor for name, tensor in trunk.items()
    }
    hugging_face = random_state(
        {
            "vision_encoder.backbone.pos_embed": (1, 96, 7, 7),
            "mask_decoder.upscale_conv1.bias": (32,),
            "no_object_pointer": (1, 128),
        }
    )
    paths = {
        "SAM 2.1": folder / "sam2.1_hiera_tiny.pt",
        "EdgeTAM": folder / "edgetam.pt",
        "SAM 2.1 (Hugging Face)": folder / "model.safetensors",
        "RepViT (timm)": folder / "repvit.pth",
    }
    torch.save({"model": sam2}, paths["SAM 2.1"])
    torch.save({"model": edgetam}, paths["EdgeTAM"])
    save_file(hugging_face, paths["SAM 2.1 (Hugging Face)"])
    torch.save(trunk | {"head.l.weight": torch.zeros(9, 9)}, paths["RepViT (timm)"])
    return paths


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "results" / "imported.safetensors"


@pytest.fixture
def imported(run, output):
    """Imports a source for nano, which must succeed: what was printed."""

    def check(source, *options):
        result = run("import-weights", source, "--preset", "nano", "--output", output, *options)
        assert result.exit_code == 0, result.output
        return result.stdout

    return check


@pytest.mark.parametrize("kind", ["SAM 2.1", "EdgeTAM", "SAM 2.1 (Hugging Face)", "RepViT (timm)"])
def test_every_kind_of_source_becomes_a_checkpoint_that_loads(imported, sources, output, kind):
    printed = imported(sources[kind])
    assert printed.splitlines()[-1] == f"{output}: preset nano from {kind} ({sources[kind]}), licence Apache-2.0"
    assert load_model(NANO, output).trained
    with safe_open(output, framework="pt") as file:
        metadata = file.metadata()
    assert metadata.pop("licence") == "Apache-2.0"
    assert json.loads(metadata.pop("trained_on")) == (["ImageNet-1K"] if "RepViT" in kind else ["SA-1B", "SA-V"])
    assert metadata == {"source": sources[kind].name, "kind": kind, "preset": "nano"}


def test_the_table_says_what_was_loaded_what_was_not_and_what_was_left_over_and_why(imported, sources):
    rows = [" ".join(line.split()) for line in imported(sources["SAM 2.1"]).splitlines()]
    assert "part what happened tensors parameters why" in rows
    assert "memory_attention loaded 1 224" in rows
    assert "image_encoder loaded 2 2,064" in rows
    [initialised] = [row for row in rows if row.startswith("memory_encoder ")]
    assert initialised.endswith("no source in SAM 2.1")
    [left_over] = [row for row in rows if row.startswith("image_encoder.trunk.blocks")]
    assert left_over.endswith("left over 1 27,648 SAM 2.1's Hiera trunk; TinySAM 2's is RepViT")


def test_what_edgetam_does_not_add_is_reported_and_zero(imported, sources, output):
    rows = [" ".join(line.split()) for line in imported(sources["EdgeTAM"]).splitlines()]
    assert "memory_attention set to zero 2 4,128 EdgeTAM adds none" in rows
    assert "memory_encoder set to zero 1 32 EdgeTAM adds none" in rows
    model = load_model(NANO, output).model
    assert not model.memory_encoder.no_object.any()
    assert not any(parameter.any() for parameter in model.memory_attention.pointer_position.parameters())


def test_the_checkpoint_holds_the_sources_values(imported, sources, output, trunk):
    imported(sources["RepViT (timm)"])
    found = load_model(NANO, output).model.image_encoder.trunk.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in trunk.items())


def test_json_names_every_tensor(imported, sources, output, nano_model):
    report = json.loads(imported(sources["EdgeTAM"], "--json"))
    assert (report["kind"], report["preset"]) == ("EdgeTAM", "nano")
    assert (report["source"], report["output"]) == (str(sources["EdgeTAM"]), str(output))
    named = [
        name for module in report["modules"] for part in ("loaded", "initialised", "zeroed") for name in module[part]
    ]
    assert sorted(named) == sorted(nano_model.state_dict())
    assert {key: group["reason"] for group in report["left_over"] for key in group["keys"]} == {
        "spatial_perceiver.latents": "EdgeTAM's perceiver; TinySAM 2 pools and selects memory tokens instead",
        "no_mem_pos_enc": "not used by SAM 2.1 itself, which adds the no-memory embedding directly",
    }


def test_a_former_checkpoint_is_replaced(imported, sources, output):
    output.parent.mkdir()
    output.write_bytes(b"former")
    imported(sources["RepViT (timm)"])
    assert load_model(NANO, output)
    assert list(output.parent.iterdir()) == [output]


# Refusals.


class Payload:
    """Something that a checkpoint of plain tensors does not hold."""


def a_wide_checkpoint(path):
    torch.save({"model": random_state(heads() | {"sam_mask_decoder.mask_tokens.weight": (4, 256)})}, path)


def a_checkpoint_with_nan(path):
    torch.save(random_state(heads()) | {"no_obj_ptr": torch.full((1, 128), torch.nan)}, path)


BAD_SOURCES = {
    "missing": (lambda path: None, ["do not exist"]),
    "a folder": (Path.mkdir, ["do not exist", "file"]),
    "empty": (Path.touch, ["not a readable checkpoint"]),
    "damaged": (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), ["not a readable checkpoint"]),
    "code": (lambda path: torch.save({"model": Payload()}, path), ["plain tensors"]),
    "of no known kind": (lambda path: torch.save({"layer1.conv": torch.zeros(2)}, path), ["of no known kind"]),
    "of other widths": (a_wide_checkpoint, ["of shape [4, 256]", "in preset nano"]),
    "not numbers": (a_checkpoint_with_nan, ["no_obj_ptr that are not finite"]),
}


@pytest.mark.parametrize("former", [None, b"former"], ids=["no former output", "a former output"])
@pytest.mark.parametrize(("make", "words"), BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_a_source_that_cannot_be_imported(run, assert_refused, tmp_path, contents, output, make, words, former):
    source = tmp_path / "weights.pt"
    make(source)
    if former:
        output.parent.mkdir()
        output.write_bytes(former)
    earlier = contents(tmp_path)
    result = run("import-weights", source, "--preset", "nano", "--output", output)
    assert_refused(result, str(source), *words)
    assert contents(tmp_path) == earlier


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("imported.pt", ["imported.pt", ".safetensors"]),
        ("imported", ["imported", ".safetensors"]),
        ("folder.safetensors", ["it is a folder", "name a file"]),
        ("notes.txt/imported.safetensors", ["notes.txt is a file"]),
        ("/proc/imported.safetensors", ["cannot write /proc/imported.safetensors"]),
        ("model.safetensors", ["would replace the input"]),
        ("link.safetensors", ["would replace the input"]),
    ],
)
def test_an_output_that_cannot_be(run, assert_refused, monkeypatch, tmp_path, contents, sources, name, words):
    monkeypatch.chdir(tmp_path)
    Path("model.safetensors").write_bytes(sources["SAM 2.1 (Hugging Face)"].read_bytes())
    Path("link.safetensors").symlink_to("model.safetensors")
    Path("folder.safetensors").mkdir()
    Path("notes.txt").write_text("mine")
    earlier = contents(tmp_path)
    assert_refused(run("import-weights", "model.safetensors", "--preset", "nano", "--output", name), *words)
    assert contents(tmp_path) == earlier


def test_an_unknown_preset_is_refused(run, assert_refused, sources, output):
    result = run("import-weights", sources["EdgeTAM"], "--preset", "huge", "--output", output)
    assert_refused(result, "unknown preset 'huge'")
