"""Fixtures that several rooms' tests share."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1] / "../shared/data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real clips that may lie beside the checkout; they are not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real clips are not beside the checkout ({SHARED_DATA})")
    return SHARED_DATA.resolve()


@pytest.fixture(scope="session")
def nano_model():
    """The seeded nano model, in evaluation mode; tests must not change it."""
    from models.checkpoint import seeded_model
    from models.config import preset

    return seeded_model(preset("nano"))


@pytest.fixture(scope="session")
def nano_backend(nano_model):
    """The seeded nano model on one thread; it holds no state between calls."""
    import torch

    from mobile_runtime.torch_backend import TorchBackend

    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield TorchBackend(nano_model)
    torch.set_num_threads(former)


@pytest.fixture(scope="session")
def coreml_stand_ins(tmp_path_factory) -> Path:
    """Core ML packages of nano's contract that compute next to nothing, and so convert in seconds.

    Every output is a fixed tensor plus the mean of the program's first input.
    """
    pytest.importorskip("coremltools")
    import torch

    from converters.coreml import convert
    from converters.export import ExportedModel
    from models.artifacts import ArtifactCard
    from models.config import preset
    from models.console import silenced
    from models.contract import program_contract

    class StandIn(torch.nn.Module):
        def __init__(self, spec):
            super().__init__()
            self.spec = spec
            generator = torch.Generator().manual_seed(0)
            for tensor in spec.outputs:
                self.register_buffer(f"fixed_{tensor.name}", torch.randn(tensor.shape, generator=generator))

        def forward(self, **tensors):
            mean = tensors[self.spec.input_names[0]].mean()
            return tuple(getattr(self, f"fixed_{name}") + mean for name in self.spec.output_names)

    config, folder, programs = preset("nano"), tmp_path_factory.mktemp("coreml"), []
    for spec in program_contract(config).values():
        example = {tensor.name: torch.zeros(tensor.shape) for tensor in spec.inputs}
        module = StandIn(spec)
        programs.append(ExportedModel(module, example, torch.export.export(module, (), example, strict=False)))
    with silenced():
        files = convert(programs, "fp32", folder)
    ArtifactCard("coreml", "nano", "fp32", "float32", files, "none", "", False, {}).write(folder)
    return folder
