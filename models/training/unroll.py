"""The model over a clip as it runs on video: features of all frames at once, then the memory from frame to frame."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from tinysam2.core.config import BankConfig
from tinysam2.models.network.bank import BankUpdate, MemoryBank, empty_bank
from tinysam2.models.network.mask_decoder import MaskCandidates
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.training.clips import TrainingClip
from tinysam2.models.training.memory_noise import with_memory_noise
from tinysam2.models.training.prompts import no_prompt


class UnrolledFrame(NamedTuple):
    """What the model made of one frame of B clips: its features [B, C, G, G], all that it predicted, the chosen
    mask logits [B, 1, 4G, 4G], the prompt it was given, and its memory [B, D, G, G] before compression (None on the
    last frame, which is not remembered)."""

    features: Tensor
    candidates: MaskCandidates
    mask_logits: Tensor
    prompt: FramePrompt
    memory: Tensor | None


def unroll(model: TinySAM2, clips: TrainingClip, mixed_precision: bool = False) -> Iterator[UnrolledFrame]:
    """Tracks a batch of clips, each from the prompt of its first frame, and gives every frame in turn."""
    batch, frames = clips.images.shape[:2]
    device = clips.images.device
    images = clips.images.flatten(0, 1).float().contiguous(memory_format=torch.channels_last)
    # Off, there is no context at all: autocast that is switched off still costs its bookkeeping.
    precision = torch.autocast(device.type, torch.bfloat16) if mixed_precision else contextlib.nullcontext()
    with precision:
        encoded = model.image_encoder(images)
    encoded = [tensor.float().unflatten(0, (batch, frames)) for tensor in encoded]
    bank = MemoryBank(*(tensor.to(device) for tensor in empty_bank(model.config, batch)))
    silent = FramePrompt(*(tensor.to(device) for tensor in no_prompt(model.config.mask_size, batch)))
    for t in range(frames):
        features, features_s8, features_s4 = (tensor[:, t] for tensor in encoded)
        prompt = silent if t else clips.prompt
        is_prompted = torch.full((batch, 1), 0.0 if t else 1.0, device=device)
        conditioned = model.memory_attention(features, prompt.has_mask, bank)
        candidates = model.mask_decoder.candidates(conditioned, features_s8, features_s4, prompt)
        decoded = model.mask_decoder.choose(candidates, prompt)
        memory = None
        if t + 1 < frames:
            encoder = model.memory_encoder
            kept = decoded._replace(mask_logits=with_memory_noise(decoded.mask_logits, clips.memory_noise[:, t]))
            memory = encoder.encode(features, kept.mask_logits, kept.object_score, is_prompted)
            bank = encoder.bank_update(memory, kept, is_prompted, bank)
        yield UnrolledFrame(features, candidates, decoded.mask_logits, prompt, memory)


def with_bank(model: TinySAM2, bank: BankConfig) -> TinySAM2:
    """The same weights, shared and not copied, with another memory bank, which must have as many slots.

    Raises ValueError where the bank's slots are others: each slot has a learned temporal embedding.
    """
    config = model.config.with_bank(bank)
    if bank.slots != model.config.bank.slots:
        raise ValueError(f"BankConfig.slots is {bank.slots}; it must be the model's own, {model.config.bank.slots}")
    other = TinySAM2(config).train(model.training)
    # The bank update alone has no weights and another shape; everything else is the model's own.
    other.image_encoder, other.mask_decoder = model.image_encoder, model.mask_decoder
    own_attention, own_encoder = model.memory_attention, model.memory_encoder
    for name, module in own_attention.named_children():
        setattr(other.memory_attention, name, module)
    for name, parameter in own_attention.named_parameters(recurse=False):
        setattr(other.memory_attention, name, parameter)
    for name, module in own_encoder.named_children():
        if not isinstance(module, BankUpdate):
            setattr(other.memory_encoder, name, module)
    for name, parameter in own_encoder.named_parameters(recurse=False):
        setattr(other.memory_encoder, name, parameter)
    return other.to(next(model.parameters()).device)
