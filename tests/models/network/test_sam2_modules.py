"""With SAM 2.1's weights, each module gives SAM 2.1's numbers, to 1e-4.

The reference is `transformers.Sam2VideoModel` with random weights, which reach ours through the importer.
"""

import functools

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch.nn import functional as F

from tinysam2.core.config import DENSE_BANK, REPVIT_VARIANTS, ModelConfig
from tinysam2.models.network.bank import MemoryBank, empty_bank
from tinysam2.models.network.image_encoder import ImageEncoder
from tinysam2.models.network.mask_decoder import MaskCandidates
from tinysam2.models.network.memory_attention import MemoryAttention
from tinysam2.models.network.position import fourier_of_grid, halves_from_pairs
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.weights.importing import import_weights

SIZE, GRID, MASK = 256, 16, 64
TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def _quiet_torch():
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.no_grad():
        yield
    torch.set_num_threads(former)


@functools.cache
def sam2(memory_layers=2):
    """A SAM 2.1 of the true widths on a small trunk and image, with random weights, none of them zero."""
    trunk = transformers.Sam2HieraDetConfig(
        hidden_size=16,
        image_size=[SIZE, SIZE],
        embed_dim_per_stage=[16, 32, 64, 128],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        blocks_per_stage=[1, 1, 1, 1],
        global_attention_blocks=[],
    )
    vision = transformers.Sam2VisionConfig(
        backbone_config=trunk,
        backbone_channel_list=[128, 64, 32, 16],
        backbone_feature_sizes=[[MASK, MASK], [2 * GRID, 2 * GRID], [GRID, GRID]],
    )
    config = transformers.Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"image_size": SIZE},
        image_size=SIZE,
        memory_attention_num_layers=memory_layers,
        memory_attention_rope_feat_sizes=[GRID, GRID],
    )
    torch.manual_seed(0)
    model = transformers.Sam2VideoModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.normal_(mean=float(parameter.ndim == 1 and name.endswith("weight")), std=spread)
        # SAM 2 has one matrix for both.
        points, image = model.prompt_encoder.shared_embedding, model.shared_image_embedding
        points.positional_embedding.copy_(image.positional_embedding)
    return model


@functools.cache
def tinysam2(folder, memory_layers=2):
    """Ours, with the reference's weights."""
    path = folder / f"sam2-{memory_layers}.safetensors"
    save_file({key: tensor.contiguous().clone() for key, tensor in sam2(memory_layers).state_dict().items()}, path)
    config = ModelConfig("parity", SIZE, REPVIT_VARIANTS["nano"], memory_layers=memory_layers, bank=DENSE_BANK)
    model = TinySAM2(config).eval()
    model.load_state_dict(import_weights(path, config).state)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parity")


@pytest.fixture
def ours(folder):
    return tinysam2(folder)


@pytest.fixture
def features():
    """Stride 16, 8 and 4, as large as the reference's own."""
    return torch.randn(1, 256, GRID, GRID), torch.randn(1, 64, 32, 32), torch.randn(1, 32, MASK, MASK)


def assert_close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0, check_dtype=False)


# Prompts: points with labels, as SAM 2 and as the contract has them.

PROMPTS = {
    "nothing": [],
    "click": [(70.0, 100.0, 1)],
    "two points": [(70.0, 100.0, 1), (20.5, 30.0, 0)],
    "three points": [(70.0, 100.0, 0), (20.5, 30.0, 1), (0.0, 255.0, 1)],
    "four points": [(70.0, 100.0, 1), (20.5, 30.0, 0), (255.0, 0.0, 1), (128.0, 128.0, 0)],
    "box": [(40.0, 50.0, 2), (150.0, 160.5, 3)],
    "box and points": [(40.0, 50.0, 2), (150.0, 160.5, 3), (60.0, 60.0, 1), (140.0, 60.0, 0)],
}


def sam2_points(points):
    """Coordinates [1, 1, n, 2] and labels [1, 1, n]; SAM 2 stands one "no point" in for none."""
    points = torch.tensor(points or [(0.0, 0.0, -1)])
    return points[None, None, :, :2], points[None, None, :, 2].int()


def frame_prompt(points=(), mask=None):
    """The contract's prompt: four points, padded, and a mask."""
    padded = torch.tensor([*points, *[(0.0, 0.0, -1)] * (4 - len(points))])
    given = torch.zeros(1, 1, MASK, MASK) if mask is None else mask
    return FramePrompt(padded[None, :, :2], padded[None, :, 2], given, torch.full((1, 1), float(mask is not None)))


def blocks():
    """A mask prompt, and the same at the image's resolution."""
    mask = torch.zeros(1, 1, MASK, MASK)
    mask[..., 10:30, 16:36] = 1
    return mask, F.interpolate(mask, scale_factor=4.0)


# Image encoder: the neck, over whatever trunk.


def test_the_neck_is_sam2s(ours):
    neck = sam2().vision_encoder.neck
    encoder = ImageEncoder(ours.config).eval()
    # The reference's neck counts from the coarsest level.
    encoder.laterals = torch.nn.ModuleList(reversed(neck.convs))
    encoder.project_s4, encoder.project_s8 = sam2().mask_decoder.conv_s0, sam2().mask_decoder.conv_s1
    levels = [torch.randn(1, width, side, side) for width, side in ((16, 64), (32, 32), (64, 16), (128, 8))]
    encoder.trunk.forward = lambda image: levels

    outputs, _ = neck([level.permute(0, 2, 3, 1) for level in levels])
    s16, s8, s4 = encoder(torch.zeros(1, 3, SIZE, SIZE))
    assert_close(s16, outputs[-3])
    assert_close(s8, sam2().mask_decoder.conv_s1(outputs[-2]))
    assert_close(s4, sam2().mask_decoder.conv_s0(outputs[-1]))


# Prompt encoder.


@pytest.mark.parametrize("points", PROMPTS.values(), ids=PROMPTS.keys())
def test_points_are_embedded_as_in_sam2(ours, points):
    expected, _ = sam2().prompt_encoder(*sam2_points(points), None, None)
    prompt = frame_prompt(points)
    embedded, mask = ours.mask_decoder.prompt_encoder.points(prompt.point_coords, prompt.point_labels)
    seen = mask[0] == 0
    assert_close(embedded[:, seen], expected[:, 0])


def test_a_box_is_its_two_corners(ours):
    expected, _ = sam2().prompt_encoder(None, None, torch.tensor([[[40.0, 50.0, 150.0, 160.5]]]), None)
    prompt = frame_prompt(PROMPTS["box"])
    embedded, mask = ours.mask_decoder.prompt_encoder.points(prompt.point_coords, prompt.point_labels)
    assert_close(embedded[:, mask[0] == 0], expected[:, 0])


def test_a_mask_is_embedded_as_in_sam2(ours):
    mask, image_mask = blocks()
    _, expected = sam2().prompt_encoder(None, None, None, sam2().mask_downsample(image_mask))
    assert_close(ours.mask_decoder.prompt_encoder.masks(mask, torch.ones(1, 1)), expected)


def test_no_mask_has_an_embedding_of_its_own(ours):
    _, expected = sam2().prompt_encoder(None, None, None, None)
    embedded = ours.mask_decoder.prompt_encoder.masks(blocks()[0], torch.zeros(1, 1))
    assert_close(embedded.expand_as(expected), expected)


def test_the_image_has_sam2s_position_encoding(ours):
    rows = fourier_of_grid(ours.mask_decoder.grid_tables())
    position = rows.transpose(1, 2).reshape(1, -1, GRID, GRID)
    assert_close(position, sam2().get_image_wide_positional_embeddings())


# Mask decoder.


def sam2_candidates(model, features, points, mask=None):
    """All four masks, IoUs and tokens of the reference, which shows either the first or the other three."""
    s16, s8, s4 = features
    logits = None if mask is None else model.mask_downsample(mask)
    sparse, dense = model.prompt_encoder(*sam2_points(points), None, logits)
    parts = []
    for multimask in (False, True):
        masks, ious, tokens, score = model.mask_decoder(
            image_embeddings=s16,
            image_positional_embeddings=model.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            high_resolution_features=[s4, s8],
        )
        parts.append((masks[:, 0], ious[:, 0], tokens[:, 0]))
    return MaskCandidates(*(torch.cat(pair, dim=1) for pair in zip(*parts, strict=True)), score[:, 0])


@pytest.mark.parametrize("points", PROMPTS.values(), ids=PROMPTS.keys())
def test_all_four_candidates_are_sam2s(ours, features, points, monkeypatch):
    monkeypatch.setattr(sam2().mask_decoder, "dynamic_multimask_via_stability", False)
    expected = sam2_candidates(sam2(), features, points)
    for found, wanted in zip(ours.mask_decoder.candidates(*features, frame_prompt(points)), expected, strict=True):
        assert_close(found, wanted)


def test_all_four_candidates_of_a_mask_prompt_are_sam2s(ours, features, monkeypatch):
    monkeypatch.setattr(sam2().mask_decoder, "dynamic_multimask_via_stability", False)
    mask, image_mask = blocks()
    expected = sam2_candidates(sam2(), features, [], image_mask)
    for found, wanted in zip(ours.mask_decoder.candidates(*features, frame_prompt(mask=mask)), expected, strict=True):
        assert_close(found, wanted)


def sam2_frame(model, features, points):
    """The reference's answer to a frame with points, as it tracks."""
    s16, s8, s4 = features
    coords, labels = sam2_points(points)
    inputs = {"point_coords": coords, "point_labels": labels} if points else None
    return model._single_frame_forward(
        input_points=coords,
        input_labels=labels,
        image_embeddings=[s4, s8, s16],
        multimask_output=model._use_multimask(True, inputs),
    )


@pytest.fixture(params=[3.0, -3.0], ids=["object there", "object gone"])
def object_score_bias(request, ours):
    """Both models' object scores shifted, so that the object is there or not."""
    biases = (
        sam2().mask_decoder.pred_obj_score_head.proj_out.bias,
        ours.mask_decoder.object_score_head.layers[2].bias,
    )
    before = [bias.clone() for bias in biases]
    for bias in biases:
        bias.fill_(request.param)
    yield request.param
    for bias, value in zip(biases, before, strict=True):
        bias.copy_(value)


@pytest.mark.parametrize("points", PROMPTS.values(), ids=PROMPTS.keys())
def test_the_answer_is_sam2s(ours, features, points, object_score_bias):
    expected = sam2_frame(sam2(), features, points)
    decoded = ours.mask_decoder(*features, frame_prompt(points))
    assert (expected.object_score_logits.item() > 0) == (object_score_bias > 0)
    assert_close(decoded.mask_logits, expected.pred_masks)
    assert_close(decoded.iou, expected.iou_scores.amax(-1))
    assert_close(decoded.object_score, expected.object_score_logits[:, 0])
    assert_close(decoded.object_pointer, expected.object_pointer[:, 0])


@pytest.mark.parametrize("drawn", [True, False], ids=["a mask", "an empty mask"])
def test_a_mask_prompt_is_the_answer_and_gives_sam2s_pointer(ours, features, drawn, object_score_bias):
    s16, s8, s4 = features
    mask, image_mask = (m * drawn for m in blocks())
    expected = sam2()._use_mask_as_output(s16, [s4, s8], image_mask)
    decoded = ours.mask_decoder(*features, frame_prompt(mask=mask))
    assert torch.equal(decoded.mask_logits > 0, expected.pred_masks > 0)
    assert_close(decoded.iou, expected.iou_scores)
    assert_close(decoded.object_score, expected.object_score_logits[:, 0])
    assert_close(decoded.object_pointer, expected.object_pointer[:, 0])


def single_masks():
    """A first candidate that is stable, one that is not, and one without any positive pixel."""
    steep, flat = torch.randn(MASK, MASK).sign() * 8, torch.randn(MASK, MASK) * 0.05
    return {"stable": steep, "unstable": flat, "nowhere": steep.abs() * -1}


@pytest.mark.parametrize("kind", ["stable", "unstable", "nowhere"])
def test_a_single_mask_gives_way_to_the_best_of_three_when_it_is_unstable(ours, kind):
    masks, ious = torch.randn(1, 4, MASK, MASK), torch.tensor([[0.4, 0.3, 0.9, 0.5]])
    masks[0, 0] = single_masks()[kind]
    expected_mask, expected_iou = sam2().mask_decoder._dynamic_multimask_via_stability(masks[:, None], ious[:, None])
    tokens = torch.randn(1, 4, 256)
    chosen = ours.mask_decoder.choose(
        MaskCandidates(masks, ious, tokens, torch.ones(1, 1)), frame_prompt(PROMPTS["box"])
    )
    assert torch.equal(chosen.mask_logits, expected_mask[:, 0])
    assert torch.equal(chosen.iou, expected_iou[:, 0])
    assert chosen.iou.item() == pytest.approx(0.9 if kind == "unstable" else 0.4)
    # Whichever mask it is, SAM 2's pointer then comes from the single mask's token.
    assert_close(chosen.object_pointer, sam2().object_pointer_proj(tokens[:, 0]))


# Memory encoder.


@pytest.mark.parametrize("is_prompted", [1.0, 0.0], ids=["prompted", "tracked"])
@pytest.mark.parametrize("object_score", [2.0, -2.0], ids=["object there", "object gone"])
def test_a_memory_is_sam2s(ours, features, is_prompted, object_score):
    s16, logits = features[0], 5 * torch.randn(1, 1, MASK, MASK)
    high_res = F.interpolate(logits, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    memories = []
    hook = sam2().memory_encoder.register_forward_hook(lambda module, args, output: memories.append(output[0]))
    sam2()._encode_new_memory(
        s16.flatten(2).permute(2, 0, 1), high_res, torch.full((1, 1, 1), object_score), bool(is_prompted)
    )
    hook.remove()
    # The no-object embedding is added in place, and only then does the reference round to bfloat16.
    (expected,) = memories
    found = ours.memory_encoder.encode(s16, logits, torch.full((1, 1), object_score), torch.full((1, 1), is_prompted))
    assert_close(found, expected)


# Memory attention.


def random_memory(frames, pointers, cond_distance=9):
    """Memories and pointers by distance in frames, the conditioning frame's first."""
    recent = range(1, frames)
    memories = [(0, torch.randn(GRID * GRID, 1, 64))] + [(t, torch.randn(GRID * GRID, 1, 64)) for t in recent]
    distances = [cond_distance, *range(1, pointers)][:pointers]
    return memories, [(distance, torch.randn(1, 1, 256)) for distance in distances], cond_distance


def sam2_conditioned(model, features, memory):
    """The reference's own gathering of memories and pointers, and its memory attention."""
    memories, pointers, _ = memory
    position = model.memory_encoder.position_encoding((1, 64, GRID, GRID), "cpu", torch.float32)
    position = position.flatten(2).permute(2, 0, 1)
    tokens, positions = model._build_memory_attention_inputs(
        [(t, {"maskmem_features": frame, "maskmem_pos_enc": position}) for t, frame in memories], "cpu"
    )
    extra, extra_position = model._process_object_pointers(
        [t for t, _ in pointers], [pointer for _, pointer in pointers], 16, 1, 256, "cpu"
    )
    if extra is not None:
        tokens, positions = [*tokens, extra], [*positions, extra_position]
    grid = model.vision_encoder.neck.position_encoding(features.shape, "cpu", torch.float32)
    conditioned = model.memory_attention(
        current_vision_features=features.flatten(2).permute(2, 0, 1),
        current_vision_position_embeddings=grid.flatten(2).permute(2, 0, 1),
        memory=torch.cat(tokens),
        memory_posision_embeddings=torch.cat(positions),
        num_object_pointer_tokens=0 if extra is None else len(extra),
    )
    return conditioned.squeeze(1).transpose(1, 2).reshape(features.shape)


def bank_of(config, memory):
    """The same memory in our bank, recent frames from the last slot down: their order does not count."""
    memories, pointers, cond_distance = memory
    bank = empty_bank(config)
    tokens = bank.memory_tokens.reshape(1, 7, GRID * GRID, 64)
    xy = torch.stack(torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="xy"), -1).reshape(-1, 2)
    for distance, frame in memories:
        slot = 0 if distance == 0 else 7 - distance
        tokens[0, slot] = frame[:, 0]
        bank.slot_age[0, slot] = (cond_distance if distance == 0 else distance) - 1
    for index, (distance, pointer) in enumerate(pointers):
        place = 0 if index == 0 else 16 - index
        bank.pointers[0, place] = pointer[0, 0]
        bank.pointer_age[0, place] = distance - 1
    return MemoryBank(tokens.reshape(1, -1, 64), xy.float().repeat(7, 1)[None], *bank[2:])


MEMORIES = [(1, 0), (1, 1), (2, 2), (3, 16), (4, 1), (5, 0), (6, 9), (7, 7), (7, 16)]


@pytest.mark.parametrize(("frames", "pointers"), MEMORIES)
def test_memory_attention_is_sam2s(ours, features, frames, pointers):
    memory = random_memory(frames, pointers)
    conditioned = ours.memory_attention(features[0], torch.zeros(1, 1), bank_of(ours.config, memory))
    assert_close(conditioned, sam2_conditioned(sam2(), features[0], memory))


@pytest.mark.parametrize("cond_distance", [1, 15, 40, 600])
def test_the_conditioning_frame_may_lie_far_back(ours, features, cond_distance):
    memory = random_memory(1, 1, cond_distance)
    conditioned = ours.memory_attention(features[0], torch.zeros(1, 1), bank_of(ours.config, memory))
    assert_close(conditioned, sam2_conditioned(sam2(), features[0], memory))


def test_four_memory_layers_are_sam2s(folder, features):
    memory = random_memory(4, 5)
    four = tinysam2(folder, memory_layers=4)
    conditioned = four.memory_attention(features[0], torch.zeros(1, 1), bank_of(four.config, memory))
    assert_close(conditioned, sam2_conditioned(sam2(memory_layers=4), features[0], memory))


def test_without_memory_the_no_memory_embedding_is_added(ours, features):
    conditioned = ours.memory_attention(features[0], torch.zeros(1, 1), empty_bank(ours.config))
    assert_close(conditioned, features[0] + sam2().no_memory_embedding.reshape(1, 256, 1, 1))


@pytest.mark.parametrize("frames", [0, 3])
def test_a_mask_prompt_meets_features_as_they_are(ours, features, frames):
    bank = bank_of(ours.config, random_memory(frames, frames)) if frames else empty_bank(ours.config)
    assert torch.equal(ours.memory_attention(features[0], torch.ones(1, 1), bank), features[0])


# These tests would notice: with one thing wrong, the numbers part.


def rolled_times(state):
    return {"temporal_position": state["temporal_position"].roll(1, 0)}


def rotary_pairs(state):
    """Projections as SAM 2 stores them, neighbours as pairs."""
    pairs = torch.argsort(halves_from_pairs(256))
    return {key: tensor[pairs] for key, tensor in state.items() if "q_proj" in key or "k_proj" in key}


@pytest.mark.parametrize("mistake", [rolled_times, rotary_pairs])
def test_a_mistake_in_the_weights_shows(ours, features, mistake):
    memory = random_memory(4, 5)
    wrong = MemoryAttention(ours.config).eval()
    state = ours.memory_attention.state_dict()
    wrong.load_state_dict(state | mistake(state))
    conditioned = wrong(features[0], torch.zeros(1, 1), bank_of(ours.config, memory))
    difference = (conditioned - sam2_conditioned(sam2(), features[0], memory)).abs().max()
    assert difference > 100 * TOLERANCE


@pytest.mark.parametrize("field", ["slot_age", "pointer_age"])
def test_a_mistake_in_the_ages_shows(ours, features, field):
    memory = random_memory(4, 5)
    bank = bank_of(ours.config, memory)
    ages = getattr(bank, field)
    reversed_ages = torch.where(ages >= 0, ages.amax() - ages, ages)
    conditioned = ours.memory_attention(features[0], torch.zeros(1, 1), bank._replace(**{field: reversed_ages}))
    difference = (conditioned - sam2_conditioned(sam2(), features[0], memory)).abs().max()
    assert difference > 100 * TOLERANCE
