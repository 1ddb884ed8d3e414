"""Fixtures that several layers' tests share."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported: workers that each take every core wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_DATA = Path(__file__).resolve().parents[1] / "../shared/data"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> Iterator[Path]:
    """A cache for this run, in place of the user's; its workers and the processes that they start share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYSAM2_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real clips that may lie beside the checkout; they are not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real clips are not beside the checkout ({SHARED_DATA})")
    return SHARED_DATA.resolve()


@pytest.fixture(scope="session")
def toolchains() -> None:
    """Skips a test that needs the packages of every target, where one is not installed."""
    from tinysam2.core.targets import TARGETS

    packages = {package for target in TARGETS.values() for package in target.packages}
    if missing := sorted(package for package in packages if importlib.util.find_spec(package) is None):
        pytest.skip(f"converters are not installed: {', '.join(missing)}")


@pytest.fixture(scope="session")
def small_config():
    """A 4x4 grid, 32 channels, memories of 8 wide, 4 slots of 4 + 3 * 2 tokens."""
    from tinysam2.core.config import BankConfig, ModelConfig, RepViTConfig

    return ModelConfig(
        "small",
        image_size=64,
        repvit=RepViTConfig((8, 16, 24, 32), (1, 1, 1, 1)),
        hidden_dim=32,
        memory_dim=8,
        memory_feedforward_dim=32,
        decoder_heads=2,
        decoder_feedforward_dim=32,
        fuser_expansion=1,
        bank=BankConfig(slots=4, pointers=4, tokens_per_frame=2),
    )


@pytest.fixture(scope="session")
def small_model(small_config):
    """The small model with seeded weights, in evaluation mode; tests must not change it."""
    from tinysam2.models.weights.checkpoint import seeded_model

    return seeded_model(small_config)


@pytest.fixture(scope="session")
def nano_model():
    """The seeded nano model, in evaluation mode; tests must not change it."""
    from tinysam2.core.config import preset
    from tinysam2.models.weights.checkpoint import seeded_model

    return seeded_model(preset("nano"))


@pytest.fixture(scope="session")
def nano_backend(nano_model):
    """The seeded nano model on one thread; it holds no state between calls."""
    import torch

    from tinysam2.mobile_runtime.torch_backend import TorchBackend

    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield TorchBackend(nano_model)
    torch.set_num_threads(former)


@pytest.fixture(scope="session")
def reseal():
    """Records the digests of a folder's artifacts in a target's card anew, as one who tampers with both would."""
    import json

    from tinysam2.core.artifacts import ArtifactCard, card_path

    def write(folder: Path, target: str) -> None:
        ArtifactCard(**json.loads(card_path(folder, target).read_text())).sealed(folder).write(folder)

    return write


@pytest.fixture(scope="session")
def coreml_stand_ins(tmp_path_factory) -> Path:
    """Core ML packages of nano's contract that compute next to nothing, and so convert in seconds.

    Every output is a fixed tensor plus the mean of the program's first input.
    """
    pytest.importorskip("coremltools")
    import torch

    from tinysam2.converters.coreml import convert
    from tinysam2.converters.export import ExportedModel
    from tinysam2.core.artifacts import ArtifactCard
    from tinysam2.core.config import preset
    from tinysam2.core.contract import program_contract
    from tinysam2.core.silencing import silenced

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
    ArtifactCard("coreml", "nano", "fp32", "float32", files, "none", "", False, {}).sealed(folder).write(folder)
    return folder
