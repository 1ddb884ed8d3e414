"""The four programs as modules of flat, named tensors, ready for `torch.export`."""

from torch import Tensor, nn

from tinysam2.core import contract
from tinysam2.core.contract import ProgramSpec, program_contract
from tinysam2.models.network.bank import MemoryBank
from tinysam2.models.network.mask_decoder import DecodedFrame, MaskDecoder
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.network.tinysam2 import TinySAM2


class Program(nn.Module):
    """One program: takes the tensors of its `spec` by name and returns its outputs in order."""

    def __init__(self, spec: ProgramSpec, module: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.module = module

    def named_outputs(self, **tensors: Tensor) -> dict[str, Tensor]:
        """The outputs by name."""
        return dict(zip(self.spec.output_names, self(**tensors), strict=True))


class ImageEncoderProgram(Program):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.module(image)


class MemoryAttentionProgram(Program):
    def forward(self, features: Tensor, has_mask: Tensor, **bank: Tensor) -> tuple[Tensor, ...]:
        return (self.module(features, has_mask, MemoryBank(**bank)),)


class MaskDecoderProgram(Program):
    module: MaskDecoder
    tables: Tensor | None

    def __init__(self, spec: ProgramSpec, module: MaskDecoder) -> None:
        super().__init__(spec, module)
        self.register_buffer("tables", None)

    def fold_tables(self) -> None:
        """Keeps the sines and cosines of the grid's columns and rows as constants from now on, for a converter that
        would fold them by an arithmetic of its own: a last bit turns values between two integers."""
        self.tables = self.module.grid_tables().detach()

    def forward(
        self, conditioned: Tensor, features_s8: Tensor, features_s4: Tensor, **prompt: Tensor
    ) -> tuple[Tensor, ...]:
        given = FramePrompt(**prompt)
        candidates = self.module.candidates(conditioned, features_s8, features_s4, given, self.tables)
        return tuple(self.module.choose(candidates, given))


class MemoryEncoderProgram(Program):
    def forward(
        self,
        features: Tensor,
        mask_logits: Tensor,
        iou: Tensor,
        object_score: Tensor,
        object_pointer: Tensor,
        is_prompted: Tensor,
        **bank: Tensor,
    ) -> tuple[Tensor, ...]:
        decoded = DecodedFrame(mask_logits, iou, object_score, object_pointer)
        return tuple(self.module(features, decoded, is_prompted, MemoryBank(**bank)))


def build_programs(model: TinySAM2) -> dict[str, Program]:
    """The four programs of a model, fused and in evaluation, by name and in the order of the contract."""
    specs = program_contract(model.config)
    programs = (
        ImageEncoderProgram(specs[contract.IMAGE_ENCODER], model.image_encoder.fuse()),
        MemoryAttentionProgram(specs[contract.MEMORY_ATTENTION], model.memory_attention),
        MaskDecoderProgram(specs[contract.MASK_DECODER], model.mask_decoder),
        MemoryEncoderProgram(specs[contract.MEMORY_ENCODER], model.memory_encoder),
    )
    return {program.spec.name: program.eval() for program in programs}
