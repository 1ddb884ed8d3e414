"""What each design of the network costs in J&F: one pretraining, the same fine-tuning for every design, then J&F.

    python -m benchmarks.design_ablation --train davis2016/train --test davis2016/val \
        --checkpoint pretrained.safetensors --output designs

Every row begins with those weights of the checkpoint that fit its design (of a larger kernel, its middle; another mask
downsampler first learns to give what the checkpoint's gives), and is fine-tuned with the same clips, steps and learning
rate. The table shows multiply-accumulates; milliseconds are measured by `python -m benchmarks frame`.
A run that was stopped goes on where it was.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import click
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.fine_tuning import (
    Ablation,
    FineTuning,
    ablation_options,
    finished_rows,
    folder_name,
    mean_scores,
    write_row,
)
from tinysam2.core.config import AttentionConfig, ModelConfig, preset
from tinysam2.core.contract import MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.core.files import write_text
from tinysam2.data.datasets import open_dataset
from tinysam2.data.preprocessing import Preprocessor
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.models.network.memory_encoder import MemoryEncoder
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.weights.checkpoint import load_model, seeded_model
from tinysam2.validation.cost.count import model_cost
from tinysam2.views.console import print_table, shown_steps

LARGE = "tinysam2"
"""The preset whose multiply-accumulates are stated: designs are for its size."""


@dataclass(frozen=True)
class DesignScore:
    """A design, its J&F from 0 to 1, and multiply-accumulates of a frame at 1024 px by program."""

    name: str
    j: float
    f: float
    jf: float
    attention_macs: int
    memory_encoder_macs: int
    frame_macs: int


def designs(config: ModelConfig) -> dict[str, ModelConfig]:
    """The rows of the table, by name; the first is SAM 2.1's design."""

    def attending(**fields: int) -> ModelConfig:
        return replace(config, attention=AttentionConfig(**fields))

    one_layer, narrow = {"memory_layers": 1}, {"memory_feedforward_dim": config.memory_feedforward_dim // 2}
    logits, kernel = {"mask_downsampler_widths": (16, 64)}, {"fuser_kernel": 5}
    return {
        "SAM 2.1": replace(
            config, attention=AttentionConfig(), mask_downsampler_widths=(4, 16, 64, 256), fuser_kernel=7
        ),
        "pooled keys": attending(key_pool=2),
        "pooled queries": attending(query_pool=2),
        "windows of half the grid": attending(window=config.grid // 2),
        "one layer": replace(config, **one_layer),
        "narrow feed-forward": replace(config, **narrow),
        "mask at the logits' size": replace(config, **logits),
        "5x5 fuser": replace(config, **kernel),
        "light memory encoder": replace(config, **logits, **kernel),
        "pooled queries, light memory encoder": replace(attending(query_pool=2), **logits, **kernel),
        "pooled keys, one layer, light memory encoder": replace(attending(key_pool=2), **one_layer, **logits, **kernel),
    }


@click.command()
@ablation_options
def main(ablation: Ablation, fine_tuning: FineTuning) -> None:
    """Fine-tune and evaluate every design; prints the table and writes designs.json."""
    config, output = ablation.preset, ablation.output
    videos, tests = open_dataset(ablation.train), open_dataset(ablation.test)
    pretrained = load_model(config, ablation.checkpoint).model
    at_full_size = designs(preset(LARGE))
    with shown_steps() as shown:
        for row, design in designs(config).items():
            if not ablation.runs(row):
                continue
            folder = folder_name(row)
            begun = with_fitting_weights(design, pretrained)
            if design.mask_downsampler_widths != config.mask_downsampler_widths:
                shown.begin(f"fitting the mask downsampler of {row}")
                fit_downsampler(begun.memory_encoder, pretrained.memory_encoder, some_masks(videos, config.mask_size))
            weights = fine_tuning.run(row, begun, videos, output / "runs" / folder, shown)
            tuned = load_model(design, weights).model
            mean = mean_scores(tuned, tests, output / "masks" / folder, shown)
            cost = model_cost(at_full_size[row])
            macs = (cost.programs[MEMORY_ATTENTION].macs, cost.programs[MEMORY_ENCODER].macs, cost.macs)
            write_row(output, DesignScore(row, mean["J"], mean["F"], mean["JF"], *macs))
    rows = finished_rows(output, DesignScore, designs(config))
    write_text(output / "designs.json", json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print_table(
        ("design", "J", "F", "J&F", "GMACs: attention", "memory encoder", "frame"),
        [
            (
                row.name,
                *(f"{100 * figure:.1f}" for figure in (row.j, row.f, row.jf)),
                *(f"{macs / 1e9:.1f}" for macs in (row.attention_macs, row.memory_encoder_macs, row.frame_macs)),
            )
            for row in rows
        ],
    )


def with_fitting_weights(design: ModelConfig, pretrained: TinySAM2) -> TinySAM2:
    """A model of a design with the pretrained weights of equal names and shapes, and the middle of kernels that are
    larger; the others are seeded."""
    model = seeded_model(design)
    own = model.state_dict()
    for name, tensor in pretrained.state_dict().items():
        if name in own and (fitting := _middle(tensor, own[name].shape)).shape == own[name].shape:
            own[name] = fitting
    model.load_state_dict(own)
    return model


FITTING_STEPS, FITTING_BATCH = 1000, 16


def some_masks(videos: Sequence[AnnotatedSequence], side: int) -> Tensor:
    """Every eighth mask of each video, object 1: [n, 1, side, side], the share that it covers."""
    masks = (video.ids(index) for video in videos for index in range(0, len(video), 8))
    preprocessor = Preprocessor(4 * side, side)
    return torch.stack([torch.from_numpy(preprocessor.mask_prompt(ids == 1))[None] for ids in masks if ids is not None])


def fit_downsampler(encoder: MemoryEncoder, pretrained: MemoryEncoder, masks: Tensor) -> None:
    """Trains an encoder's mask downsampler to give what the pretrained one gives, on masks as logits of any sharpness.

    masks: [n, 1, 4G, 4G], shares of cells.
    """
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(encoder.mask_downsampler.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, FITTING_STEPS)
    for _ in range(FITTING_STEPS):
        chosen = masks[torch.randint(len(masks), (FITTING_BATCH,), generator=generator)]
        sharpness = 2 + 10 * torch.rand(FITTING_BATCH, 1, 1, 1, generator=generator)
        logits = (2 * chosen - 1) * sharpness + torch.randn(chosen.shape, generator=generator)
        prompted = (torch.rand(FITTING_BATCH, 1, generator=generator) < 0.2).to(logits.dtype)
        with torch.no_grad():
            wanted = pretrained.embed_mask(logits, prompted)
        loss = F.mse_loss(encoder.embed_mask(logits, prompted), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def _middle(tensor: Tensor, shape: torch.Size) -> Tensor:
    """The middle of a depthwise kernel, [O, 1, k, k] with the smaller k of a shape; anything else as it is."""
    if tensor.dim() != 4 or len(shape) != 4 or tensor.shape[:2] != shape[:2] or tensor.shape[3] <= shape[3]:
        return tensor
    border = (tensor.shape[3] - shape[3]) // 2
    return tensor[:, :, border : border + shape[2], border : border + shape[3]].clone()


if __name__ == "__main__":
    main()
