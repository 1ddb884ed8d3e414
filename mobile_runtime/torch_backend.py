"""The float model itself, run as the artifacts are run: the reference that they are compared with."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch

from tinysam2.mobile_runtime.backend import Backend
from tinysam2.models.network.programs import build_programs
from tinysam2.models.network.tinysam2 import TinySAM2


class TorchBackend(Backend):
    """Runs the four programs of a model in PyTorch, in fp32."""

    target = "torch"
    runtime = "PyTorch, fp32"

    def __init__(self, model: TinySAM2) -> None:
        super().__init__(model.config, loader=partial(TorchBackend, model))
        self.programs = build_programs(model)

    @torch.inference_mode()
    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in self.programs[program].named_outputs(**tensors).items()}
