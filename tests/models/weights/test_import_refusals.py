"""What cannot be imported is refused in one sentence that names the file, the tensor and what would fit."""

import re

import pytest
import torch
from safetensors.torch import save_file

from tinysam2.core.config import DENSE_BANK, PRESETS, REPVIT_VARIANTS, ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.models.weights.importing import import_weights

CONFIG = ModelConfig("small-trunk", 256, REPVIT_VARIANTS["nano"], bank=DENSE_BANK)

SAM2 = {"sam_mask_decoder.mask_tokens.weight": (4, 256), "sam_prompt_encoder.no_mask_embed.weight": (1, 256)}
"""Enough of SAM 2.1 to be taken for it."""

HUGGING_FACE = {"vision_encoder.backbone.pos_embed": (1, 96, 7, 7), "mask_decoder.upscale_conv1.bias": (64,)}
"""Enough of SAM 2.1 as Hugging Face names it."""


def saved(state, path):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def zeros(shapes):
    return {key: torch.zeros(shape) for key, shape in shapes.items()}


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("sam_mask_decoder.iou_token.weight", (1, 128)),
        ("sam_mask_decoder.output_upscaling.0.weight", (256, 64)),
        ("sam_mask_decoder.output_upscaling.0.bias", ()),
        ("sam_prompt_encoder.point_embeddings.2.weight", (2, 256)),
        ("mask_downsample.weight", (2, 1, 4, 4)),
        ("maskmem_tpos_enc", (8, 1, 1, 64)),
        ("memory_attention.layers.0.self_attn.q_proj.weight", (256, 64)),
    ],
)
def test_a_tensor_of_another_shape_is_refused(tmp_path, key, shape):
    path = saved(zeros(SAM2 | {key: shape}), tmp_path / "sam2.1.pt")
    with pytest.raises(InputError) as refusal:
        import_weights(path, CONFIG)
    message = str(refusal.value)
    assert str(path) in message
    assert f"{key} of shape {list(shape)}" in message
    assert re.search(r"does not fit \S+ of shape \[[\d, ]*\] in preset small-trunk$", message)


def test_a_preset_of_other_widths_is_refused(tmp_path):
    with pytest.raises(InputError, match="in preset nano"):
        import_weights(saved(zeros(SAM2), tmp_path / "sam2.1.pt"), PRESETS["nano"])


def test_a_missing_point_embedding_is_refused(tmp_path):
    state = zeros(SAM2 | {f"sam_prompt_encoder.point_embeddings.{i}.weight": (1, 256) for i in range(3)})
    with pytest.raises(InputError, match=r"rows \[0, 1, 2\] of mask_decoder\.prompt_encoder\.point\.weight"):
        import_weights(saved(state, tmp_path / "sam2.1.pt"), CONFIG)


def test_two_position_encodings_that_differ_are_refused(tmp_path):
    state = zeros(HUGGING_FACE)
    state["shared_image_embedding.positional_embedding"] = torch.zeros(2, 128)
    state["prompt_encoder.shared_embedding.positional_embedding"] = torch.ones(2, 128)
    with pytest.raises(InputError, match=r"several mask_decoder\.\S+\.gaussian that differ"):
        import_weights(saved(state, tmp_path / "model.safetensors"), CONFIG)


def test_values_that_are_no_numbers_are_refused(tmp_path):
    state = zeros(SAM2 | {"no_obj_ptr": (1, 256)})
    state["no_obj_ptr"][0, 5] = float("nan")
    with pytest.raises(InputError, match="no_obj_ptr that are not finite"):
        import_weights(saved(state, tmp_path / "sam2.1.pt"), CONFIG)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="do not exist"):
        import_weights(tmp_path / "sam2.1.pt", CONFIG)


@pytest.mark.parametrize("name", ["sam2.1.pt", "sam2.1.pth", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", bytes(range(256)) * 8])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="not a readable"):
        import_weights(tmp_path / name, CONFIG)


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path = saved(zeros(SAM2), tmp_path / "sam2.1.pt")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="not a readable"):
        import_weights(path, CONFIG)


class Payload:
    """Something that a checkpoint of plain tensors does not hold."""


def test_a_checkpoint_that_holds_code_is_refused_unread(tmp_path):
    torch.save({"model": Payload()}, tmp_path / "sam2.1.pt")
    with pytest.raises(InputError, match="plain tensors"):
        import_weights(tmp_path / "sam2.1.pt", CONFIG)


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"epoch": 3}, torch.zeros(2), {}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "sam2.1.pt")
    with pytest.raises(InputError, match="hold no state dict"):
        import_weights(tmp_path / "sam2.1.pt", CONFIG)


@pytest.mark.parametrize(
    "state",
    [{"layer1.0.conv1.weight": torch.zeros(2)}, {"image_encoder.trunk.stem.conv1.c.weight": torch.zeros(2)}],
    ids=["a ResNet", "our own"],
)
def test_another_kind_of_model_is_refused(tmp_path, state):
    with pytest.raises(InputError, match=r"of no known kind; .*EdgeTAM, SAM 2\.1, .*RepViT"):
        import_weights(saved(state, tmp_path / "weights.pt"), CONFIG)
