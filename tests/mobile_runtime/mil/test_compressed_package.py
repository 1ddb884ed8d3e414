"""Packages whose weights coremltools compressed, against the same packages with the weights it decompressed."""

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from torch import nn

from tinysam2.mobile_runtime.mil import MILProgram

WEIGHTS = 32 * 16 * 9 + 32 * 9 + 64 * 32
"""Elements of the network's weights, biases aside."""


class Network(nn.Module):
    """x [1, 16, 12, 12] -> [1, 64]"""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(16, 32, 3)
        self.depthwise = nn.Conv2d(32, 32, 3, groups=32)
        self.head = nn.Linear(32, 64)

    def forward(self, x):
        return self.head(self.depthwise(self.stem(x).relu()).mean((2, 3)))


def quantized(**options):
    return [(cto.linear_quantize_weights, cto.OpLinearQuantizerConfig(weight_threshold=100, **options))]


def palettized(mode="uniform", **options):
    return [(cto.palettize_weights, cto.OpPalettizerConfig(mode=mode, weight_threshold=100, **options))]


PRUNED = [(cto.prune_weights, cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=100))]

COMPRESSIONS = {
    "int8 per channel": (quantized(mode="linear_symmetric"), 8),
    "uint8 per channel": (quantized(mode="linear", dtype="uint8"), 8),
    "int8 per tensor": (quantized(granularity="per_tensor"), 8),
    "int4 per block": (quantized(dtype="int4", granularity="per_block", block_size=16), 4),
    "uint4 per block, asymmetric": (quantized(mode="linear", dtype="uint4", granularity="per_block", block_size=8), 4),
    **{f"palette of {bits} bits": (palettized(nbits=bits), bits) for bits in (1, 2, 3, 4, 6, 8)},
    "palette a group of channels": (palettized(nbits=2, granularity="per_grouped_channel", group_size=8), 2),
    "palette with a scale a channel": (palettized(nbits=4, enable_per_channel_scale=True), 4),
    "palette of vectors": (palettized(mode="kmeans", nbits=4, cluster_dim=4), 1),
    "sparse": (PRUNED, 0.4 * 32),
    "sparse palette": ([*PRUNED, *palettized(nbits=4)], 0.4 * 4),
    "sparse int8": ([*PRUNED, *quantized(mode="linear_symmetric")], 0.4 * 8),
}


@pytest.fixture(scope="module")
def image():
    return torch.randn(1, 16, 12, 12, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def models(convert, image, tmp_path_factory):
    """Opset -> the uncompressed model."""
    torch.manual_seed(1)
    network, folder = Network(), tmp_path_factory.mktemp("uncompressed")

    def load(target):
        path = convert(network, (image,), folder / f"{target.name}.mlpackage", minimum_deployment_target=target)
        return ct.models.MLModel(str(path), skip_model_load=True)

    return {target.name: load(target) for target in (ct.target.iOS17, ct.target.iOS18)}


@pytest.fixture
def compressed(models, image, tmp_path):
    """The program of a compressed model, and what it and its decompressed self answer."""

    def make(opset, steps):
        model = models[opset]
        for index, (compress, config) in enumerate(steps):
            joint = {"joint_compression": True} if index else {}
            model = compress(model, cto.OptimizationConfig(global_config=config), **joint)
        programs = []
        for name, saved in (("compressed", model), ("decompressed", cto.decompress_weights(model))):
            saved.save(str(tmp_path / f"{name}.mlpackage"))
            programs.append(MILProgram.load(tmp_path / f"{name}.mlpackage"))
        answers = [next(iter(program.run(x=image.numpy()).values())) for program in programs]
        return *programs, *answers

    return make


def check(compressed, opset, kind):
    steps, bits = COMPRESSIONS[kind]
    program, decompressed, answer, expected = compressed(opset, steps)
    assert any(operation.type.startswith("constexpr_") for operation in program.operations)
    assert not any(operation.type.startswith("constexpr_") for operation in decompressed.operations)
    np.testing.assert_array_equal(answer, expected)
    assert WEIGHTS * bits / 8 <= program.weight_bytes < decompressed.weight_bytes


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_a_compressed_package_of_ios18_equals_its_decompressed_self(compressed, kind):
    check(compressed, "iOS18", kind)


@pytest.mark.parametrize(
    "kind", ["int8 per channel", "uint8 per channel", "palette of 1 bits", "palette of 6 bits", "sparse"]
)
def test_a_compressed_package_of_ios17_equals_its_decompressed_self(compressed, kind):
    check(compressed, "iOS17", kind)
