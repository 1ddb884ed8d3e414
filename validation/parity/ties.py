"""Near ties of the mask decoder: the answers that the float model almost gave."""

import numpy as np
import torch

from tinysam2.models.network.mask_decoder import MaskDecoder
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.validation.parity.recording import Call, Tensors

TIED = 0.003
"""Predicted IoU within which of the best candidate another is as good, and a runtime may choose it: a little above
what int8 runtimes are off by (docs/validation.md#limits)."""


@torch.inference_mode()
def near_answers(call: Call, decoder: MaskDecoder) -> tuple[Tensors, ...]:
    """The other outputs that a recorded call of the mask decoder could have had: one for each candidate whose
    predicted IoU is within `TIED` of the best of the three, where the best of three is what is answered."""
    tensors = {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in call.inputs.items()}
    prompt = FramePrompt(*(tensors.pop(name) for name in FramePrompt._fields))
    candidates = decoder.candidates(**tensors, prompt=prompt)
    three = candidates.ious[0, 1:]
    answers = []
    for other in (three > three.max() - TIED).nonzero().flatten().tolist():
        ious = candidates.ious.clone()
        ious[0, 1:] = -1.0
        ious[0, 1 + other] = three[other]
        chosen = decoder.choose(candidates._replace(ious=ious), prompt)
        answer = {name: value.numpy() for name, value in chosen._asdict().items()}
        if any((answer[name] != call.outputs[name]).any() for name in answer):
            answers.append(answer)
    return tuple(answers)
