"""A backend whose outputs are passed on as raw memory, as an app does that hands a pointer to the next program."""

from collections.abc import Mapping

import numpy as np

from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.layout import raw_memory


class RawMemoryBackend(Backend):
    """Reads the memory of every output as if it were contiguous.

    numpy follows an output's strides, and so hides a layout that an app gets wrong.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.config, backend.io_dtype.name)
        self.target, self.runtime = backend.target, backend.runtime
        self.backend = backend

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: raw_memory(value) for name, value in self.backend.execute(program, inputs).items()}
