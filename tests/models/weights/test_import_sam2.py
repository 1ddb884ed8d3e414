"""SAM 2.1 and EdgeTAM checkpoints load by name, change layout where ours differs, and are accounted for.

The state dicts have the real names and shapes and random values.
"""

import itertools
import re
from dataclasses import replace

import pytest
import torch
import transformers
from safetensors.torch import save_file

from tinysam2.core.config import DENSE_BANK, REPVIT_VARIANTS, ModelConfig
from tinysam2.models.network.position import halves_from_pairs
from tinysam2.models.network.repvit import RepViT
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.weights.checkpoint import load_model, save_checkpoint, seeded_model
from tinysam2.models.weights.importing import import_weights

CONFIG = ModelConfig("small-trunk", 256, REPVIT_VARIANTS["nano"], bank=DENSE_BANK)
EDGETAM_CONFIG = ModelConfig("edgetam-trunk", 256, REPVIT_VARIANTS["m1"], bank=DENSE_BANK)


@pytest.fixture(autouse=True)
def _seeded_on_one_thread():
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(former)


# Names and shapes of the original repositories.


def layer(name, *shape, bias=True):
    return {f"{name}.weight": shape} | ({f"{name}.bias": shape[:1]} if bias else {})


def norm(name, width):
    return layer(name, width)


def attention(name, inner, width=256, keys=256):
    widths = {"q_proj": width, "k_proj": keys, "v_proj": keys}
    projections = [layer(f"{name}.{part}", inner, given) for part, given in widths.items()]
    return joined(*projections, layer(f"{name}.out_proj", width, inner))


def mlp(name, *widths):
    return joined(*(layer(f"{name}.layers.{i}", o, w) for i, (w, o) in enumerate(itertools.pairwise(widths))))


def joined(*parts):
    return {name: shape for part in parts for name, shape in part.items()}


def prompt_encoder_shapes():
    name = "sam_prompt_encoder"
    return joined(
        {f"{name}.pe_layer.positional_encoding_gaussian_matrix": (2, 128)},
        *(layer(f"{name}.point_embeddings.{i}", 1, 256, bias=False) for i in range(4)),
        layer(f"{name}.not_a_point_embed", 1, 256, bias=False),
        layer(f"{name}.no_mask_embed", 1, 256, bias=False),
        layer(f"{name}.mask_downscaling.0", 4, 1, 2, 2),
        norm(f"{name}.mask_downscaling.1", 4),
        layer(f"{name}.mask_downscaling.3", 16, 4, 2, 2),
        norm(f"{name}.mask_downscaling.4", 16),
        layer(f"{name}.mask_downscaling.6", 256, 16, 1, 1),
    )


def mask_decoder_shapes():
    name = "sam_mask_decoder"
    two_way = (
        joined(
            attention(f"{name}.transformer.layers.{i}.self_attn", 256),
            attention(f"{name}.transformer.layers.{i}.cross_attn_token_to_image", 128),
            attention(f"{name}.transformer.layers.{i}.cross_attn_image_to_token", 128),
            mlp(f"{name}.transformer.layers.{i}.mlp", 256, 2048, 256),
            *(norm(f"{name}.transformer.layers.{i}.norm{j}", 256) for j in range(1, 5)),
        )
        for i in range(2)
    )
    return joined(
        *two_way,
        attention(f"{name}.transformer.final_attn_token_to_image", 128),
        norm(f"{name}.transformer.norm_final_attn", 256),
        layer(f"{name}.iou_token", 1, 256, bias=False),
        layer(f"{name}.mask_tokens", 4, 256, bias=False),
        layer(f"{name}.obj_score_token", 1, 256, bias=False),
        {f"{name}.output_upscaling.0.weight": (256, 64, 2, 2), f"{name}.output_upscaling.0.bias": (64,)},
        norm(f"{name}.output_upscaling.1", 64),
        {f"{name}.output_upscaling.3.weight": (64, 32, 2, 2), f"{name}.output_upscaling.3.bias": (32,)},
        layer(f"{name}.conv_s0", 32, 256, 1, 1),
        layer(f"{name}.conv_s1", 64, 256, 1, 1),
        *(mlp(f"{name}.output_hypernetworks_mlps.{i}", 256, 256, 256, 32) for i in range(4)),
        mlp(f"{name}.iou_prediction_head", 256, 256, 256, 4),
        mlp(f"{name}.pred_obj_score_head", 256, 256, 256, 1),
    )


def memory_attention_shapes(layers):
    name = "memory_attention"
    return joined(
        *(
            joined(
                attention(f"{name}.layers.{i}.self_attn", 256),
                attention(f"{name}.layers.{i}.cross_attn_image", 256, keys=64),
                layer(f"{name}.layers.{i}.linear1", 2048, 256),
                layer(f"{name}.layers.{i}.linear2", 256, 2048),
                *(norm(f"{name}.layers.{i}.norm{j}", 256) for j in range(1, 4)),
            )
            for i in range(layers)
        ),
        norm(f"{name}.norm", 256),
    )


def memory_encoder_shapes():
    name, widths = "memory_encoder", (1, 4, 16, 64, 256)
    return joined(
        *(layer(f"{name}.mask_downsampler.encoder.{3 * i}", widths[i + 1], widths[i], 3, 3) for i in range(4)),
        *(norm(f"{name}.mask_downsampler.encoder.{3 * i + 1}", widths[i + 1]) for i in range(4)),
        layer(f"{name}.mask_downsampler.encoder.12", 256, 256, 1, 1),
        layer(f"{name}.pix_feat_proj", 256, 256, 1, 1),
        *(
            joined(
                {f"{name}.fuser.layers.{i}.gamma": (256,)},
                layer(f"{name}.fuser.layers.{i}.dwconv", 256, 1, 7, 7),
                norm(f"{name}.fuser.layers.{i}.norm", 256),
                layer(f"{name}.fuser.layers.{i}.pwconv1", 1024, 256),
                layer(f"{name}.fuser.layers.{i}.pwconv2", 256, 1024),
            )
            for i in range(2)
        ),
        layer(f"{name}.out_proj", 64, 256, 1, 1),
    )


def common_shapes(memory_layers):
    """What SAM 2.1 and EdgeTAM share."""
    return joined(
        prompt_encoder_shapes(),
        mask_decoder_shapes(),
        memory_attention_shapes(memory_layers),
        memory_encoder_shapes(),
        {"maskmem_tpos_enc": (7, 1, 1, 64), "no_mem_embed": (1, 1, 256), "no_mem_pos_enc": (1, 1, 256)},
        {"no_obj_ptr": (1, 256)},
        layer("mask_downsample", 1, 1, 4, 4),
        mlp("obj_ptr_proj", 256, 256, 256, 256),
    )


def neck_shapes(*widths):
    """Laterals from the coarsest level to the finest."""
    return joined(*(layer(f"image_encoder.neck.convs.{i}.conv", 256, w, 1, 1) for i, w in enumerate(widths)))


def sam2_shapes():
    """SAM 2.1 (Hiera tiny), its trunk cut short."""
    return joined(
        {"image_encoder.trunk.pos_embed": (1, 96, 7, 7)},
        layer("image_encoder.trunk.patch_embed.proj", 96, 3, 7, 7),
        layer("image_encoder.trunk.blocks.0.attn.qkv", 288, 96),
        neck_shapes(768, 384, 192, 96),
        common_shapes(memory_layers=4),
        {"no_obj_embed_spatial": (1, 64)},
        layer("obj_ptr_tpos_proj", 64, 256),
    )


def edgetam_shapes():
    """EdgeTAM: RepViT-M1 as timm's `features_only` names it; it has no `obj_ptr_tpos_proj`."""
    with torch.device("meta"):
        trunk = RepViT(REPVIT_VARIANTS["m1"]).state_dict()
    return joined(
        {
            f"image_encoder.trunk.body.{key.replace('stages.', 'stages_')}": tuple(tensor.shape)
            for key, tensor in trunk.items()
        },
        neck_shapes(384, 192, 96, 48),
        common_shapes(memory_layers=2),
        {"spatial_perceiver.latents": (256, 64), "spatial_perceiver.latents_2d": (256, 64)},
        layer("spatial_perceiver.layers.0.attn.to_q", 64, 64, bias=False),
    )


def random_state(shapes):
    return {
        name: torch.tensor(3) if name.endswith("num_batches_tracked") else torch.randn(shape)
        for name, shape in shapes.items()
    }


# The same names as Hugging Face writes them.

HUGGING_FACE_NAMES = (
    (r"^vision_encoder\.neck\.convs\.(\d)\.", r"image_encoder.neck.convs.\1.conv."),
    (r"^shared_image_embedding\.positional_embedding$", "pe_layer"),
    (r"^prompt_encoder\.shared_embedding\.positional_embedding$", "pe_layer"),
    (r"^pe_layer$", "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
    (r"mask_embed\.conv1", "mask_downscaling.0"),
    (r"mask_embed\.layer_norm1", "mask_downscaling.1"),
    (r"mask_embed\.conv2", "mask_downscaling.3"),
    (r"mask_embed\.layer_norm2", "mask_downscaling.4"),
    (r"mask_embed\.conv3", "mask_downscaling.6"),
    (r"^prompt_encoder\.", "sam_prompt_encoder."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"upscale_conv1", "output_upscaling.0"),
    (r"upscale_layer_norm", "output_upscaling.1"),
    (r"upscale_conv2", "output_upscaling.3"),
    (r"layer_norm_final_attn", "norm_final_attn"),
    (r"(mlps\.\d|head|proj)\.layers\.0\.", r"\1.layers.1."),
    (r"(transformer.*mlp)\.proj_out", r"\1.layers.1"),
    (r"proj_in", "layers.0"),
    (r"\.proj_out", ".layers.2"),
    (r"o_proj", "out_proj"),
    (r"mask_downsampler\.layers\.(\d)\.conv", lambda m: f"mask_downsampler.encoder.{3 * int(m[1])}"),
    (
        r"mask_downsampler\.layers\.(\d)\.layer_norm",
        lambda m: f"mask_downsampler.encoder.{3 * int(m[1]) + 1}",
    ),
    (r"final_conv", "encoder.12"),
    (r"layer_norm", "norm"),
    (r"memory_encoder\.projection", "memory_encoder.out_proj"),
    (r"feature_projection", "pix_feat_proj"),
    (r"memory_fuser", "fuser"),
    (r"depthwise_conv", "dwconv"),
    (r"pointwise_conv", "pwconv"),
    (r"(fuser\.layers\.\d)\.scale", r"\1.gamma"),
    (r"^object_pointer_proj", "obj_ptr_proj"),
    (r"^temporal_positional_encoding_projection_layer", "obj_ptr_tpos_proj"),
    (r"^memory_temporal_positional_encoding", "maskmem_tpos_enc"),
    (r"^no_memory_embedding", "no_mem_embed"),
    (r"^no_memory_positional_encoding", "no_mem_pos_enc"),
    (r"^no_object_pointer", "no_obj_ptr"),
    (r"^occlusion_spatial_embedding_parameter", "no_obj_embed_spatial"),
)


def original_names(hugging_face):
    """A Hugging Face state dict without its trunk, as the original repository has it."""
    original = {}
    for key, tensor in hugging_face.items():
        if key.startswith("vision_encoder.backbone."):
            continue
        for pattern, replacement in HUGGING_FACE_NAMES:
            key = re.sub(pattern, replacement, key)
        original[key] = tensor
    points = original.pop("sam_prompt_encoder.point_embed.weight")
    return original | {f"sam_prompt_encoder.point_embeddings.{i}.weight": points[i : i + 1] for i in range(4)}


@pytest.fixture(scope="module")
def hugging_face():
    """A state dict of `Sam2VideoModel` in its default size, SAM 2.1 with Hiera tiny."""
    with torch.device("meta"):
        shapes = transformers.Sam2VideoModel(transformers.Sam2VideoConfig()).state_dict()
    torch.manual_seed(0)
    state = {key: torch.randn(tensor.shape) for key, tensor in shapes.items()}
    state["prompt_encoder.shared_embedding.positional_embedding"] = state[
        "shared_image_embedding.positional_embedding"
    ].clone()
    return state


def saved(state, path):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def sam2(tmp_path_factory):
    """A SAM 2.1 checkpoint and what the importer makes of it: path, state dict, imported, report."""
    torch.manual_seed(0)
    state = random_state(sam2_shapes())
    path = saved({"model": state}, tmp_path_factory.mktemp("sam2") / "sam2.1.pt")
    return path, state, *import_weights(path, CONFIG)


def by_module(report):
    return {module.module: module for module in report.modules}


def reasons(report):
    return {key: group.reason for group in report.left_over for key in group.keys}


# Loading.


def test_a_sam2_checkpoint_fills_everything_but_the_trunk_and_its_laterals(sam2):
    _, _, imported, report = sam2
    assert report.kind == "SAM 2.1"
    modules = by_module(report)
    assert modules["image_encoder.trunk"].loaded == ()
    assert modules["image_encoder"].loaded == tuple(
        f"image_encoder.project_{level}.{part}" for level in ("s4", "s8") for part in ("weight", "bias")
    )
    assert all("laterals" in name for name in modules["image_encoder"].initialised)
    for name in ("memory_attention", "mask_decoder.prompt_encoder", "mask_decoder", "memory_encoder"):
        assert modules[name].loaded
        assert modules[name].initialised == ()
    TinySAM2(CONFIG).load_state_dict(imported)


def test_what_sam2_has_more_is_left_over_with_the_reason(sam2):
    _, state, _, report = sam2
    why = reasons(report)
    expected = {
        "image_encoder.trunk.": "Hiera",
        "image_encoder.neck.": "laterals over",
        "memory_attention.layers.2.": "memory-attention layer",
        "memory_attention.layers.3.": "memory-attention layer",
        "no_mem_pos_enc": "not used by SAM 2.1",
    }
    assert {key for key in state if key.startswith(tuple(expected))} == why.keys()
    for prefix, words in expected.items():
        assert all(words in reason for key, reason in why.items() if key.startswith(prefix))


def test_four_memory_layers_take_all_of_sam2s(sam2):
    config = replace(CONFIG, memory_layers=4)
    imported, report = import_weights(sam2[0], config)
    assert by_module(report)["memory_attention"].initialised == ()
    assert not any(key.startswith("memory_attention") for key in reasons(report))
    TinySAM2(config).load_state_dict(imported)


def test_edgetam_fills_trunk_and_neck_as_well(tmp_path):
    state = random_state(edgetam_shapes())
    imported, report = import_weights(saved({"model": state}, tmp_path / "edgetam.pt"), EDGETAM_CONFIG)

    assert report.kind == "EdgeTAM"
    assert [name for module in report.modules for name in module.initialised] == []
    assert {key.split(".")[0] for key in reasons(report)} == {"spatial_perceiver", "no_mem_pos_enc"}
    # The neck counts from the coarsest level, our laterals from the finest.
    for level in range(4):
        lateral = imported[f"image_encoder.laterals.{3 - level}.weight"]
        assert torch.equal(lateral, state[f"image_encoder.neck.convs.{level}.conv.weight"])
    key = "stages_2.blocks.3.token_mixer.conv1.c.weight"
    ours = imported[f"image_encoder.trunk.{key.replace('stages_', 'stages.')}"]
    assert torch.equal(ours, state[f"image_encoder.trunk.body.{key}"])


def test_what_edgetam_does_not_add_is_zero_and_not_noise(tmp_path):
    path = saved({"model": random_state(edgetam_shapes())}, tmp_path / "edgetam.pt")
    imported, report = import_weights(path, EDGETAM_CONFIG)
    zeroed = [name for module in report.modules for name in module.zeroed]
    assert zeroed == [
        "memory_attention.pointer_position.weight",
        "memory_attention.pointer_position.bias",
        "memory_encoder.no_object",
    ]
    assert not any(imported[name].any() for name in zeroed)
    assert ("memory_attention", "set to zero", 2, 256 * 64 + 64, "EdgeTAM adds none") in report.rows()
    assert ("memory_encoder", "set to zero", 1, 64, "EdgeTAM adds none") in report.rows()


def test_what_a_finetuned_edgetam_does_add_is_loaded(tmp_path):
    embedding = torch.randn(1, 64)
    state = random_state(edgetam_shapes()) | {"no_obj_embed_spatial": embedding}
    imported, report = import_weights(saved({"model": state}, tmp_path / "edgetam.pt"), EDGETAM_CONFIG)
    assert torch.equal(imported["memory_encoder.no_object"], embedding)
    assert by_module(report)["memory_encoder"].zeroed == ()


def test_sam2_weights_that_lack_a_tensor_are_not_taken_for_edgetams(tmp_path, sam2):
    state = {key: tensor for key, tensor in sam2[1].items() if key != "no_obj_embed_spatial"}
    _, report = import_weights(saved({"model": state}, tmp_path / "sam2.pt"), CONFIG)
    assert by_module(report)["memory_encoder"].initialised == ("memory_encoder.no_object",)
    assert all(module.zeroed == () for module in report.modules)


def test_hugging_face_weights_are_recognised_and_used_whole(tmp_path, hugging_face):
    path = saved(hugging_face, tmp_path / "model.safetensors")
    _, report = import_weights(path, CONFIG)
    assert report.kind == "SAM 2.1 (Hugging Face)"
    parts = (
        "vision_encoder.",
        "memory_attention.layers.2",
        "memory_attention.layers.3",
        "no_memory_positional_encoding",
    )
    assert all(key.startswith(parts) for key in reasons(report))
    initialised = [name for module in report.modules for name in module.initialised]
    assert all(name.startswith(("image_encoder.trunk.", "image_encoder.laterals.")) for name in initialised)


def test_both_namings_of_sam2_give_the_same_model(tmp_path, hugging_face):
    original = original_names(hugging_face)
    shapes = {key: shape for key, shape in sam2_shapes().items() if not key.startswith("image_encoder.trunk.")}
    assert {key: tuple(tensor.shape) for key, tensor in original.items()} == shapes

    from_original, _ = import_weights(saved(original, tmp_path / "sam2.1.pt"), CONFIG)
    from_hugging_face, _ = import_weights(saved(hugging_face, tmp_path / "model.safetensors"), CONFIG)
    assert from_original.keys() == from_hugging_face.keys()
    assert all(torch.equal(tensor, from_hugging_face[key]) for key, tensor in from_original.items())


def test_what_has_no_source_keeps_the_seeded_weights(sam2):
    _, _, imported, report = sam2
    seeded = seeded_model(CONFIG).state_dict()
    initialised = [name for module in report.modules for name in module.initialised]
    assert initialised
    assert all(torch.equal(imported[name], seeded[name]) for name in initialised)


def test_what_was_imported_is_a_checkpoint_like_any_other(tmp_path, sam2):
    _, _, imported, report = sam2
    checkpoint = tmp_path / "imported.safetensors"
    save_checkpoint(imported, checkpoint, {"source": report.kind})
    model = load_model(CONFIG, checkpoint).model
    assert all(torch.equal(tensor, imported[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path, dtype):
    state = {key: tensor.to(dtype) for key, tensor in random_state(common_shapes(memory_layers=2)).items()}
    imported, _ = import_weights(saved(state, tmp_path / "sam2.1.pt"), CONFIG)
    assert {tensor.dtype for tensor in imported.values()} == {torch.float32, torch.int64}


# Changes of layout.


def test_rotary_projections_are_reordered_from_pairs_to_halves(sam2):
    _, state, imported, _ = sam2
    order = halves_from_pairs(256)
    source, ours = "memory_attention.layers.1.cross_attn_image", "memory_attention.layers.1.cross_attn"
    for part in ("q_proj.weight", "q_proj.bias", "k_proj.weight", "k_proj.bias"):
        assert torch.equal(imported[f"{ours}.{part}"], state[f"{source}.{part}"][order])
    for part in ("v_proj.weight", "v_proj.bias", "out_proj.weight", "out_proj.bias"):
        assert torch.equal(imported[f"{ours}.{part}"], state[f"{source}.{part}"])


def test_the_transposed_convolutions_stay_what_they_compute(sam2):
    _, state, imported, _ = sam2
    decoder = TinySAM2(CONFIG).mask_decoder
    decoder.load_state_dict({k.removeprefix("mask_decoder."): v for k, v in imported.items() if "mask_decoder." in k})
    for upscale, source, width in ((decoder.upscale1, 0, 256), (decoder.upscale2, 3, 64)):
        x = torch.randn(1, width, 5, 6)
        weight, bias = (state[f"sam_mask_decoder.output_upscaling.{source}.{part}"] for part in ("weight", "bias"))
        expected = torch.nn.functional.conv_transpose2d(x, weight, bias, stride=2)
        torch.testing.assert_close(upscale(x), expected, atol=1e-4, rtol=0)


def test_points_masks_and_times_keep_their_meaning(sam2):
    _, state, imported, _ = sam2
    prompt = "mask_decoder.prompt_encoder"
    for label in range(4):
        embedding = state[f"sam_prompt_encoder.point_embeddings.{label}.weight"]
        assert torch.equal(imported[f"{prompt}.point.weight"][label], embedding[0])
    torch.testing.assert_close(imported[f"{prompt}.mask_scale"], state["mask_downsample.weight"].sum())
    assert imported[f"{prompt}.mask_bias"] == state["mask_downsample.bias"][0]
    # SAM 2 numbers a memory n frames back n - 1, and the conditioning frame last.
    assert torch.equal(imported["memory_attention.temporal_position"], state["maskmem_tpos_enc"][:, 0, 0])
    expand = imported["memory_encoder.fuser.1.expand.weight"]
    assert torch.equal(expand[:, :, 0, 0], state["memory_encoder.fuser.layers.1.pwconv1.weight"])


# The report.


def test_the_report_accounts_for_every_tensor_of_both_sides(tmp_path):
    state = random_state(edgetam_shapes()) | {"criterion.weight": torch.zeros(3)}
    imported, report = import_weights(saved(state, tmp_path / "edgetam.pt"), EDGETAM_CONFIG)
    named = [name for module in report.modules for name in (*module.loaded, *module.initialised, *module.zeroed)]
    assert sorted(named) == sorted(imported)
    parameters = sum(
        module.loaded_parameters + module.initialised_parameters + module.zeroed_parameters for module in report.modules
    )
    assert parameters == sum(tensor.numel() for tensor in imported.values())
    assert reasons(report)["criterion.weight"] == "unknown name"


def test_the_report_is_a_table(sam2):
    _, _, _, report = sam2
    rows = report.rows()
    assert all(len(row) == len(report.COLUMNS) for row in rows)
    assert ("memory_encoder", "loaded", 41, 1384672, "") in rows
    assert ("image_encoder", "initialised", 8, 93184, "no source in SAM 2.1") in rows
    left_over = {part: (what, why) for part, what, _, _, why in rows if what == "left over"}
    assert left_over["image_encoder.trunk"] == ("left over", "SAM 2.1's Hiera trunk; TinySAM 2's is RepViT")
    assert "memory-attention layer" in left_over["memory_attention.layers"][1]


def test_counters_that_a_source_lacks_are_nothing_to_report(tmp_path):
    state = {k: v for k, v in random_state(edgetam_shapes()).items() if not k.endswith("num_batches_tracked")}
    _, report = import_weights(saved(state, tmp_path / "edgetam.pt"), EDGETAM_CONFIG)
    assert by_module(report)["image_encoder.trunk"].initialised == ()
