"""Fed SAM 2.1's image features, with SAM 2.1's own dense memory, the whole loop gives SAM 2.1's masks.

The reference is `transformers.Sam2VideoModel` with random weights, in its streaming mode. It rounds stored
memories to bfloat16; here it is given them back unrounded, so that only the arithmetic is compared.
"""

import itertools
from dataclasses import dataclass, field

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from transformers.models.sam2_video import modeling_sam2_video as sam2_video

from tinysam2.core.config import DENSE_BANK, REPVIT_VARIANTS, ModelConfig
from tinysam2.models.network.bank import empty_bank
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.weights.importing import import_weights

SIZE, GRID, MASK, FRAMES = 256, 16, 64, 8
LEAST_IOU = 0.999
SEED = 4
"""Weights with which masks change from frame to frame and prompts are not forgotten: tested below."""
CONFIG = ModelConfig("parity", SIZE, REPVIT_VARIANTS["nano"], bank=DENSE_BANK)


@pytest.fixture(autouse=True)
def _quiet_torch():
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(former)


@pytest.fixture(scope="module")
def sam2():
    """A SAM 2.1 of the true widths with random weights, chosen so that memory moves the masks."""
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
        memory_attention_num_layers=2,
        memory_attention_rope_feat_sizes=[GRID, GRID],
    )
    torch.manual_seed(SEED)
    model = transformers.Sam2VideoModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.normal_(mean=float(parameter.ndim == 1 and name.endswith("weight")), std=spread)
        points, image = model.prompt_encoder.shared_embedding, model.shared_image_embedding
        points.positional_embedding.copy_(image.positional_embedding)
        # Attention that picks rather than averages, and an object that stays in view.
        for layer in model.memory_attention.layers:
            layer.cross_attn_image.q_proj.weight.mul_(3)
            layer.cross_attn_image.v_proj.weight.mul_(2)
        model.memory_temporal_positional_encoding.mul_(4)
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(3)
    return model


@pytest.fixture(scope="module")
def ours(sam2, tmp_path_factory):
    """Our model with the reference's weights."""
    path = tmp_path_factory.mktemp("loop") / "sam2.safetensors"
    save_file({key: tensor.contiguous().clone() for key, tensor in sam2.state_dict().items()}, path)
    model = TinySAM2(CONFIG).eval()
    model.load_state_dict(import_weights(path, CONFIG).state)
    return model


def video(frames: int) -> list[Tensor]:
    """A disc that crosses a background that moves the other way, normalised: frames [3, S, S]."""
    noise = torch.Generator().manual_seed(1)
    background = F.interpolate(torch.randn(1, 3, 16, 16, generator=noise), size=(SIZE, SIZE), mode="bicubic")[0]
    y, x = torch.meshgrid(torch.arange(SIZE) / SIZE, torch.arange(SIZE) / SIZE, indexing="ij")
    video = []
    for t in range(frames):
        disc = ((x - 0.3 - 0.05 * t) ** 2 + (y - 0.4 - 0.02 * t) ** 2 < 0.04).float()
        colour = torch.tensor([2.0, -1.0, 1.0])[:, None, None]
        video.append(background.roll(4 * t, 2) * (1 - disc) + colour * disc)
    return video


@dataclass(frozen=True)
class Prompt:
    """The first frame's prompt: points (x, y, label), or a mask [1, 1, 4G, 4G]."""

    points: list[tuple[float, float, int]] = field(default_factory=list)
    mask: Tensor | None = None

    def for_ours(self) -> FramePrompt:
        padded = torch.tensor([*self.points, *[(0.0, 0.0, -1)] * (4 - len(self.points))])
        mask = torch.zeros(1, 1, MASK, MASK) if self.mask is None else self.mask
        has_mask = torch.full((1, 1), float(self.mask is not None))
        return FramePrompt(padded[None, :, :2], padded[None, :, 2], mask, has_mask)

    def give_to(self, session) -> None:
        session.obj_id_to_idx(1)
        if self.mask is None:
            points = torch.tensor(self.points)[None, None]
            inputs = {"point_coords": points[..., :2], "point_labels": points[..., 2].int()}
            session.add_point_inputs(0, 0, inputs)
        else:
            session.add_mask_inputs(0, 0, F.interpolate(self.mask, scale_factor=4.0))
        session.obj_with_new_inputs = [1]


def band() -> Tensor:
    """A mask that both models hold exactly: it has straight edges, between cells, and no corners."""
    mask = torch.zeros(1, 1, MASK, MASK)
    mask[..., 16:36] = 1
    return mask


def block() -> Tensor:
    """A mask with corners."""
    mask = torch.zeros(1, 1, MASK, MASK)
    mask[..., 10:30, 16:36] = 1
    return mask


PROMPTS = {
    "mask": Prompt(mask=band()),
    "box": Prompt(points=[(40.0, 50.0, 2), (150.0, 160.0, 3)]),
    "click": Prompt(points=[(90.0, 100.0, 1)]),
}


@dataclass(frozen=True)
class Tracked:
    """The reference's masks [1, 1, 4G, 4G] and its features (stride 16, 8, 4) by frame."""

    masks: list[Tensor]
    features: list[tuple[Tensor, Tensor, Tensor]]


def track_with_sam2(model, prompt: Prompt, frames: int = FRAMES, rounded: bool = False) -> Tracked:
    """The reference's masks; `rounded` leaves its memories in bfloat16, as it stores them."""
    session = sam2_video.Sam2VideoInferenceSession(video_height=SIZE, video_width=SIZE, dtype=torch.float32)
    prompt.give_to(session)
    memories: list[Tensor] = []
    hook = model.memory_encoder.register_forward_hook(lambda module, args, output: memories.append(output[0]))
    tracked = Tracked([], [])
    for t, frame in enumerate(video(frames)):
        tracked.masks.append(model(session, frame=frame).pred_masks)
        outputs = session.output_dict_per_obj[0]["non_cond_frame_outputs" if t else "cond_frame_outputs"]
        if not rounded:
            outputs[t]["maskmem_features"] = memories[-1].flatten(2).permute(2, 0, 1)
        s4, s8, s16 = session.cache.get_vision_features(t)["vision_feats"]
        levels = ((s16, GRID), (s8, 2 * GRID), (s4, MASK))
        tracked.features.append(tuple(f.permute(1, 2, 0).reshape(1, -1, side, side) for f, side in levels))
    hook.remove()
    return tracked


def track_with_ours(model: TinySAM2, prompt: Prompt, features) -> list[Tensor]:
    """Our mask logits [1, 1, 4G, 4G] by frame, from the given features."""
    bank, masks = empty_bank(CONFIG), []
    for t, (s16, s8, s4) in enumerate(features):
        frame_prompt = prompt.for_ours() if t == 0 else Prompt().for_ours()
        conditioned = model.memory_attention(s16, frame_prompt.has_mask, bank)
        decoded = model.mask_decoder(conditioned, s8, s4, frame_prompt)
        bank = model.memory_encoder(s16, decoded, torch.full((1, 1), float(t == 0)), bank)
        masks.append(decoded.mask_logits)
    return masks


def iou(a: Tensor, b: Tensor) -> float:
    a, b = a > 0, b > 0
    return ((a & b).sum() / (a | b).sum()).item()


def ious(ours: list[Tensor], theirs: list[Tensor]) -> list[float]:
    return [iou(a, b) for a, b in zip(ours, theirs, strict=True)]


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_eight_frames_give_sam2s_masks(sam2, ours, prompt):
    expected = track_with_sam2(sam2, prompt)
    masks = track_with_ours(ours, prompt, expected.features)
    assert min(ious(masks, expected.masks)) >= LEAST_IOU
    # Beyond the mask itself, which is the prompt's own where that is a mask, the logits agree as well.
    for found, wanted in zip(masks[1:], expected.masks[1:], strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)


def test_the_oldest_memories_and_pointers_give_way_as_in_sam2(sam2, ours):
    """Frame 8 is the first that finds a memory replaced, frame 17 the first that finds a pointer replaced."""
    expected = track_with_sam2(sam2, PROMPTS["click"], frames=19)
    assert min(ious(track_with_ours(ours, PROMPTS["click"], expected.features), expected.masks)) >= LEAST_IOU


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_the_masks_are_worth_comparing(sam2, prompt):
    masks = track_with_sam2(sam2, prompt).masks
    assert all(0.02 < (mask > 0).float().mean() < 0.98 for mask in masks)
    assert all(iou(a, b) < 0.9 for a, b in itertools.pairwise(masks))


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_sam2s_rounding_of_stored_memories_hardly_matters(sam2, ours, prompt):
    expected = track_with_sam2(sam2, prompt, rounded=True)
    assert min(ious(track_with_ours(ours, prompt, expected.features), expected.masks)) >= 0.99


def test_corners_of_a_mask_prompt_are_rounded_by_a_pixel(sam2, ours):
    """SAM 2 remembers a mask prompt at the image's resolution, ours at a quarter of it."""
    prompt = Prompt(mask=block())
    expected = track_with_sam2(sam2, prompt)
    assert min(ious(track_with_ours(ours, prompt, expected.features), expected.masks)) >= 0.99


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_memories_out_of_order_would_show(sam2, ours, prompt):
    expected = track_with_sam2(sam2, prompt)
    times = ours.memory_attention.temporal_position
    right = times.clone()
    times.copy_(right.roll(1, 0))
    masks = track_with_ours(ours, prompt, expected.features)
    times.copy_(right)
    assert min(ious(masks, expected.masks)) < 0.5


def test_a_forgotten_prompt_would_show(sam2, ours):
    expected = track_with_sam2(sam2, PROMPTS["mask"])
    masks = track_with_ours(ours, PROMPTS["click"], expected.features)
    assert min(ious(masks[1:], expected.masks[1:])) < 0.5
