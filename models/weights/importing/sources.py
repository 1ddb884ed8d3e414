"""The kinds of checkpoints that can be imported, told apart by their keys."""

from collections.abc import Collection
from dataclasses import dataclass

from tinysam2.models.weights.importing.huggingface import HUGGING_FACE
from tinysam2.models.weights.importing.rules import RenamingRule, matches
from tinysam2.models.weights.importing.sam2 import EDGETAM, EDGETAM_ADDS_NONE, SAM2
from tinysam2.models.weights.terms import NOT_STATED, Terms

REPVIT = (
    RenamingRule("stem.{rest}", "image_encoder.trunk.stem.{rest}", exact=True),
    RenamingRule("stages.{n}.{rest}", "image_encoder.trunk.stages.{n}.{rest}", exact=True),
    RenamingRule("stages_{n}.{rest}", "image_encoder.trunk.stages.{n}.{rest}", exact=True),
    RenamingRule("head.{rest}", None, why="RepViT's classifier; TinySAM 2 takes its features"),
)
"""Names of timm's RepViT, whole or as `features_only` writes them. Source: timm `repvit`."""


@dataclass(frozen=True)
class SourceKind:
    """A kind of checkpoint: it holds a key like each of `marks`.

    zeroed: tensors of ours for terms that this kind of model does not add; they are set to zero where it has none.
    terms: the published weights' licence and data.
    """

    name: str
    marks: tuple[str, ...]
    rules: tuple[RenamingRule, ...]
    zeroed: tuple[str, ...] = ()
    terms: Terms = NOT_STATED


META_TERMS = Terms("Apache-2.0", ("SA-1B", "SA-V"))
"""Of SAM 2.1 and EdgeTAM. Source: the licences of their repositories, and their papers."""

REPVIT_TERMS = Terms("Apache-2.0", ("ImageNet-1K",))
"""Source: RepViT's licence, and timm's model cards of `repvit_*.dist_in1k`."""

# The first kind that fits is taken: EdgeTAM's names are SAM 2.1's but for the trunk.
KINDS = (
    SourceKind(
        "EdgeTAM",
        ("sam_mask_decoder.{rest}", "image_encoder.trunk.body.{rest}"),
        EDGETAM,
        EDGETAM_ADDS_NONE,
        META_TERMS,
    ),
    SourceKind("SAM 2.1", ("sam_mask_decoder.{rest}", "sam_prompt_encoder.{rest}"), SAM2, terms=META_TERMS),
    SourceKind(
        "SAM 2.1 (Hugging Face)",
        ("vision_encoder.{rest}", "mask_decoder.upscale_conv1.{p}"),
        HUGGING_FACE,
        terms=META_TERMS,
    ),
    SourceKind("RepViT (timm)", ("stem.conv1.c.weight",), REPVIT, terms=REPVIT_TERMS),
)


def detect(keys: Collection[str]) -> SourceKind | None:
    """The kind of a state dict with these keys, or None where it is of no known kind."""
    return next((kind for kind in KINDS if all(matches(mark, keys) for mark in kind.marks)), None)
