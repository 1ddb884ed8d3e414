"""RepViT is the published architecture, loads its weights by name, and computes the same when fused.

The architecture stands here a second time, as a list of tensors and as plain functions of them, and shares
no code with `tinysam2.models.network.repvit`. Source: RepViT (arXiv 2307.09283), names, widths and depths of timm's
models.
"""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from tinysam2.core.config import DENSE_BANK, PRESETS, REPVIT_VARIANTS, ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.models.network import repvit
from tinysam2.models.network.image_encoder import ImageEncoder
from tinysam2.models.network.layers import Conv2dReLU
from tinysam2.models.weights.importing import import_weights

ARCHITECTURES = {
    "m0_9": ((48, 96, 192, 384), (2, 2, 14, 2), False),
    "m1": ((48, 96, 192, 384), (2, 2, 14, 2), True),
    "m1_0": ((56, 112, 224, 448), (2, 2, 14, 2), False),
    "m1_1": ((64, 128, 256, 512), (2, 2, 12, 2), False),
    "m1_5": ((64, 128, 256, 512), (4, 4, 24, 4), False),
    "m2_3": ((80, 160, 320, 640), (6, 6, 34, 2), False),
    "nano": ((24, 48, 96, 192), (1, 1, 5, 1), False),
}
SQUEEZED_WIDTHS = {24: 8, 48: 16, 56: 16, 64: 16, 80: 24, 96: 24, 112: 32, 128: 32, 160: 40, 192: 48,
                   224: 56, 256: 64, 320: 80, 384: 96, 448: 112, 512: 128, 640: 160}  # fmt: skip
"""Inner widths of squeeze-excite as timm makes them: a quarter, to the nearest multiple of 8."""

SIZE = 64


@pytest.fixture(autouse=True)
def _quiet_torch():
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.no_grad():
        yield
    torch.set_num_threads(former)


# The second description: names and shapes.


def norm(name, width):
    return {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")} | {
        f"{name}.num_batches_tracked": ()
    }


def conv(name, out, inner, kernel, bias=False):
    return {f"{name}.weight": (out, inner, kernel, kernel)} | ({f"{name}.bias": (out,)} if bias else {})


def conv_norm(name, out, inner, kernel):
    return conv(f"{name}.c", out, inner, kernel) | norm(f"{name}.bn", out)


def feed_forward(name, width):
    return conv_norm(f"{name}.conv1", 2 * width, width, 1) | conv_norm(f"{name}.conv2", width, 2 * width, 1)


def block(name, width, squeezes, legacy):
    mixer = f"{name}.token_mixer"
    shapes = conv_norm(f"{mixer}.conv", width, 1, 3)
    if legacy:
        shapes |= conv_norm(f"{mixer}.conv1", width, 1, 1)
    else:
        shapes |= conv(f"{mixer}.conv1", width, 1, 1, bias=True) | norm(f"{mixer}.bn", width)
    if squeezes:
        inner = SQUEEZED_WIDTHS[width]
        shapes |= conv(f"{name}.se.fc1", inner, width, 1, bias=True)
        shapes |= conv(f"{name}.se.fc2", width, inner, 1, bias=True)
    return shapes | feed_forward(f"{name}.channel_mixer", width)


def published_shapes(variant):
    widths, depths, legacy = ARCHITECTURES[variant]
    shapes = conv_norm("stem.conv1", widths[0] // 2, 3, 3) | conv_norm("stem.conv2", widths[0], widths[0] // 2, 3)
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage > 0:
            name, before = f"stages.{stage}.downsample", widths[stage - 1]
            shapes |= block(f"{name}.pre_block", before, False, legacy)
            shapes |= conv_norm(f"{name}.spatial_downsample", before, 1, 3)
            shapes |= conv_norm(f"{name}.channel_downsample", width, before, 1)
            shapes |= feed_forward(f"{name}.ffn", width)
        for i in range(depth):
            shapes |= block(f"stages.{stage}.blocks.{i}", width, i % 2 == 0, legacy)
    return shapes


BRANCHES = (".token_mixer.conv.", ".token_mixer.conv1.", ".channel_mixer.conv2.", ".ffn.conv2.")
"""What is added to a signal that passes unchanged beside it."""


def random_weights(shapes):
    """Weights under which a signal keeps its size, with BatchNorm statistics unlike those of a new layer."""
    state = {}
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif key.endswith("running_var"):
            state[key] = 0.5 + torch.rand(shape)
        elif key.endswith((".bias", "running_mean")):
            state[key] = 0.1 * torch.randn(shape)
        elif len(shape) == 1:
            state[key] = 0.8 + 0.4 * torch.rand(shape)
        else:
            gain = 0.3 if any(branch in key for branch in BRANCHES) else 1.0
            state[key] = gain * torch.randn(shape) * torch.Size(shape[1:]).numel() ** -0.5
    return state


def published_weights(variant):
    return random_weights(published_shapes(variant))


# The second description: what it computes.


def run_norm(state, name, x):
    mean, var, weight, bias = (
        state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def run_conv_norm(state, name, x, stride=1):
    weight = state[f"{name}.c.weight"]
    groups = x.shape[1] // weight.shape[1]
    x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
    return run_norm(state, f"{name}.bn", x)


def run_feed_forward(state, name, x):
    return x + run_conv_norm(state, f"{name}.conv2", F.gelu(run_conv_norm(state, f"{name}.conv1", x)))


def run_block(state, name, x):
    mixer = f"{name}.token_mixer"
    if f"{mixer}.conv1.c.weight" in state:
        x = run_conv_norm(state, f"{mixer}.conv", x) + run_conv_norm(state, f"{mixer}.conv1", x) + x
    else:
        point = x * state[f"{mixer}.conv1.weight"].reshape(1, -1, 1, 1)
        point = point + state[f"{mixer}.conv1.bias"].reshape(1, -1, 1, 1)
        x = run_norm(state, f"{mixer}.bn", run_conv_norm(state, f"{mixer}.conv", x) + point + x)
    if f"{name}.se.fc1.weight" in state:
        gate = x.mean((2, 3))
        for layer, activation in (("fc1", torch.relu), ("fc2", torch.sigmoid)):
            weight, bias = state[f"{name}.se.{layer}.weight"].flatten(1), state[f"{name}.se.{layer}.bias"]
            gate = activation(F.linear(gate, weight, bias))
        x = x * gate[:, :, None, None]
    return run_feed_forward(state, f"{name}.channel_mixer", x)


def run_published(state, variant, x):
    x = F.gelu(run_conv_norm(state, "stem.conv1", x, stride=2))
    x = run_conv_norm(state, "stem.conv2", x, stride=2)
    features = []
    for stage, depth in enumerate(ARCHITECTURES[variant][1]):
        if stage > 0:
            name = f"stages.{stage}.downsample"
            x = run_block(state, f"{name}.pre_block", x)
            x = run_conv_norm(state, f"{name}.spatial_downsample", x, stride=2)
            x = run_feed_forward(state, f"{name}.ffn", run_conv_norm(state, f"{name}.channel_downsample", x))
        for i in range(depth):
            x = run_block(state, f"stages.{stage}.blocks.{i}", x)
        features.append(x)
    return features


def preset_with(variant):
    return ModelConfig("test", SIZE, REPVIT_VARIANTS[variant], bank=DENSE_BANK)


def loaded_trunk(variant):
    trunk = repvit.RepViT(REPVIT_VARIANTS[variant]).eval()
    state = published_weights(variant)
    trunk.load_state_dict(state)
    return trunk, state


def largest_difference(ours, theirs):
    """Largest absolute difference as a share of the reference's largest value."""
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours, theirs, strict=True))


def test_every_variant_is_described():
    assert REPVIT_VARIANTS.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("variant", ARCHITECTURES)
def test_names_and_shapes_are_the_published_ones(variant):
    with torch.device("meta"):
        trunk = repvit.RepViT(REPVIT_VARIANTS[variant])
    assert {key: tuple(tensor.shape) for key, tensor in trunk.state_dict().items()} == published_shapes(variant)


@pytest.mark.parametrize("variant", ARCHITECTURES)
def test_outputs_are_those_of_the_published_architecture(variant):
    trunk, state = loaded_trunk(variant)
    image = torch.randn(1, 3, SIZE, SIZE)
    features = trunk(image)
    assert [tuple(f.shape) for f in features] == [
        (1, width, SIZE // stride, SIZE // stride)
        for width, stride in zip(ARCHITECTURES[variant][0], (4, 8, 16, 32), strict=True)
    ]
    assert largest_difference(features, run_published(state, variant, image)) < 1e-5


@pytest.mark.parametrize("variant", ARCHITECTURES)
def test_fusing_changes_no_output(variant):
    trunk, _ = loaded_trunk(variant)
    image = torch.randn(1, 3, SIZE, SIZE)
    assert largest_difference(repvit.fuse(trunk)(image), trunk(image)) < 1e-5


@pytest.mark.parametrize("variant", ARCHITECTURES)
def test_a_fused_trunk_is_plain_convolutions(variant):
    with torch.device("meta"):
        fused = repvit.fuse(repvit.RepViT(REPVIT_VARIANTS[variant]))
    layers = [module for module in fused.modules() if not list(module.children())]
    _, depths, _ = ARCHITECTURES[variant]
    squeezes = sum((depth + 1) // 2 for depth in depths)
    # Stem 2; a block 1 + 2; a downsample its block, 2 and the feed-forward's 2; a squeeze-excite 2.
    expected = 2 + 3 * sum(depths) + 7 * 3 + 2 * squeezes
    assert sum(isinstance(layer, nn.Conv2d) for layer in layers) == expected
    assert {type(layer) for layer in layers} == {nn.Conv2d, Conv2dReLU, nn.Identity}


def test_fusing_leaves_the_trunk_itself_as_it_was():
    trunk, state = loaded_trunk("nano")
    repvit.fuse(trunk)
    assert trunk.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[key]) for key, tensor in trunk.state_dict().items())


@pytest.mark.parametrize("width", SQUEEZED_WIDTHS)
def test_squeeze_excite_is_as_wide_as_in_the_published_weights(width):
    assert repvit.SqueezeExcite(width).fc1.out_channels == SQUEEZED_WIDTHS[width]


@pytest.mark.parametrize("variant", ["nano", "m1", "m0_9"])
def test_fusing_the_image_encoder_changes_no_output(variant):
    encoder = ImageEncoder(preset_with(variant)).eval()
    encoder.trunk.load_state_dict(published_weights(variant))
    image = torch.rand(1, 3, SIZE, SIZE) * 255
    assert largest_difference(encoder.fuse()(image), encoder(image)) < 1e-5


# Importing timm's weights.


def classifier(width):
    """timm's two heads, one of them distilled."""
    return random_weights(
        {
            key: shape
            for head in ("head.head", "head.head_dist")
            for key, shape in (norm(f"{head}.bn", width) | {f"{head}.l.weight": (1000, width)}).items()
        }
    )


@pytest.mark.parametrize("variant", ["m1", "m0_9"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_timm_weights_load_into_the_trunk(tmp_path, variant, suffix):
    state, path = published_weights(variant), tmp_path / f"repvit{suffix}"
    whole = state | classifier(384)
    save_file(whole, path) if suffix == ".safetensors" else torch.save(whole, path)

    imported, report = import_weights(path, preset_with(variant))

    assert report.kind == "RepViT (timm)"
    assert all(torch.equal(imported[f"image_encoder.trunk.{key}"], tensor) for key, tensor in state.items())
    trunk, *others = report.modules
    assert (trunk.module, len(trunk.loaded), trunk.initialised) == ("image_encoder.trunk", len(state), ())
    assert all(module.loaded == () and module.initialised for module in others)
    (head,) = report.left_over
    assert "classifier" in head.reason
    assert len(head.keys) == len(whole) - len(state)


def test_timm_feature_extractors_load_too(tmp_path):
    state, path = published_weights("nano"), tmp_path / "repvit.safetensors"
    save_file({key.replace("stages.", "stages_"): tensor for key, tensor in state.items()}, path)
    imported, report = import_weights(path, PRESETS["nano"])
    assert all(torch.equal(imported[f"image_encoder.trunk.{key}"], tensor) for key, tensor in state.items())
    assert report.left_over == ()


def test_another_width_is_refused(tmp_path):
    path = tmp_path / "repvit.pth"
    torch.save(published_weights("nano"), path)
    with pytest.raises(InputError, match=r"stem\.conv1\.c\.weight of shape \[12, 3, 3, 3\].*\[24, 3, 3, 3\]"):
        import_weights(path, preset_with("m1"))


@pytest.mark.parametrize(("given", "wanted"), [("m1", "m0_9"), ("m0_9", "m1")])
def test_the_same_width_in_another_parameterisation_is_refused(tmp_path, given, wanted):
    path = tmp_path / "repvit.pth"
    torch.save(published_weights(given), path)
    with pytest.raises(InputError, match="RepViT has not"):
        import_weights(path, preset_with(wanted))


def test_half_a_trunk_is_refused(tmp_path):
    path = tmp_path / "repvit.pth"
    state = published_weights("nano")
    torch.save({key: tensor for key, tensor in state.items() if not key.startswith("stages.3.")}, path)
    with pytest.raises(InputError, match=r"lack .*stages\.3\."):
        import_weights(path, PRESETS["nano"])
