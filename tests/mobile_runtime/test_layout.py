"""How tensors lie in memory: what a `.pte` states, and what an app reads that follows no strides."""

import numpy as np
import pytest

from tinysam2.core.config import preset
from tinysam2.core.contract import ProgramSpec, TensorSpec, program_contract
from tinysam2.mobile_runtime.layout import TensorLayout, contiguous_layouts, raw_memory

FEATURES = (1, 3, 4, 5)


def channels_last(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("dim_order", "strides", "contiguous"),
    [((0, 1, 2, 3), (60, 20, 5, 1), True), ((0, 2, 3, 1), (60, 1, 15, 3), False), ((1, 2, 3, 0), (1, 20, 5, 1), True)],
    ids=["contiguous", "channels last", "an axis of one element elsewhere"],
)
def test_strides_follow_from_the_dimension_order(dim_order, strides, contiguous):
    layout = TensorLayout("features", FEATURES, dim_order)
    assert layout.strides == strides
    assert layout.contiguous == contiguous


def test_raw_memory_of_a_contiguous_array_is_the_array():
    value = numbered(FEATURES)
    assert np.array_equal(raw_memory(value), value)


def test_raw_memory_of_a_channels_last_array_is_what_lies_there():
    value = numbered(FEATURES)
    moved = channels_last(value)
    assert np.array_equal(moved, value)
    assert raw_memory(moved).shape == FEATURES
    assert raw_memory(moved).ravel().tolist() == value.transpose(0, 2, 3, 1).ravel().tolist()


def test_a_format_without_strides_is_contiguous_in_every_tensor():
    contract = program_contract(preset("nano"))
    layouts = contiguous_layouts(contract)
    assert list(layouts) == list(contract)
    for name, layout in layouts.items():
        assert [tensor.name for tensor in layout.inputs] == list(contract[name].input_names)
        assert [tensor.shape for tensor in layout.outputs] == [spec.shape for spec in contract[name].outputs]
        assert all(tensor.contiguous for tensor in layout.tensors)


def test_a_pte_states_the_dimension_order_of_every_input_and_output(tmp_path):
    torch = pytest.importorskip("torch")
    exir = pytest.importorskip("executorch.exir")
    from tinysam2.mobile_runtime.pte_file import read_layouts

    class Moved(torch.nn.Module):
        def forward(self, image):
            return image.contiguous(memory_format=torch.channels_last), image + 1

    image = torch.zeros(FEATURES)
    program = exir.to_edge({"encoder": torch.export.export(Moved(), (image,))}).to_executorch()
    path = tmp_path / "a.pte"
    path.write_bytes(program.buffer)
    outputs = TensorSpec("last", FEATURES, ""), TensorSpec("first", FEATURES, "")
    spec = ProgramSpec("encoder", (TensorSpec("image", FEATURES, ""),), outputs)

    layout = read_layouts(path, {"encoder": spec})["encoder"]

    assert [(tensor.name, tensor.shape, tensor.dim_order) for tensor in layout.tensors] == [
        ("image", FEATURES, (0, 1, 2, 3)),
        ("last", FEATURES, (0, 2, 3, 1)),
        ("first", FEATURES, (0, 1, 2, 3)),
    ]
