"""What holds for every shape, window and program, found by search rather than by example."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinysam2.mobile_runtime.mil.graph import Graph, Operation, TensorType
from tinysam2.mobile_runtime.mil.liveness import peak_activation
from tinysam2.mobile_runtime.mil.operations import KERNELS
from tinysam2.mobile_runtime.mil.operations.padding import spatial_padding

BOUNDS = st.integers(-7, 7)


@st.composite
def windows(draw):
    rank = draw(st.integers(1, 3))

    def each(strategy):
        return draw(st.lists(strategy, min_size=rank, max_size=rank))

    steps = each(st.sampled_from([-3, -2, -1, 1, 2, 3]))
    return (
        each(st.integers(1, 6)),
        each(BOUNDS),
        each(BOUNDS),
        steps,
        each(st.booleans()),
        each(st.booleans()),
    )


def sliced(first, last, step, from_start, to_end):
    return slice(None if from_start else first, None if to_end else last, step)


@given(windows())
def test_a_slice_is_numpys(window):
    sizes, begin, end, stride, begin_mask, end_mask = window
    x = np.arange(np.prod(sizes)).reshape(sizes)
    expected = x[tuple(sliced(*bounds) for bounds in zip(begin, end, stride, begin_mask, end_mask, strict=True))]
    result = KERNELS["slice_by_index"].function(torch.from_numpy(x), begin, end, stride, begin_mask, end_mask)
    np.testing.assert_array_equal(result.numpy(), expected)


@given(windows())
def test_an_update_changes_what_the_slice_reads_and_nothing_else(window):
    sizes, begin, end, stride, begin_mask, end_mask = window
    x = torch.arange(int(np.prod(sizes))).reshape(sizes)
    read = KERNELS["slice_by_index"].function(x, begin, end, stride, begin_mask, end_mask)
    written = KERNELS["slice_update"].function(x, -1 - read, begin, end, stride, begin_mask, end_mask)
    assert torch.equal(KERNELS["slice_by_index"].function(written, begin, end, stride, begin_mask, end_mask), -1 - read)
    assert int((written < 0).sum()) == read.numel()


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 5),
    dilation=st.integers(1, 3),
    pad_type=st.sampled_from(["same", "same_lower"]),
)
def test_same_padding_gives_the_size_over_the_stride(size, kernel, stride, dilation, pad_type):
    ((before, after),) = spatial_padding(pad_type, None, [size], [kernel], [stride], [dilation])
    span = (kernel - 1) * dilation + 1
    assert (size + before + after - span) // stride + 1 == -(-size // stride)
    odd = (before - after) if pad_type == "same_lower" else (after - before)
    assert odd in (0, 1)


@st.composite
def graphs(draw):
    """Operations that each read some earlier values and make one or two new ones."""
    types = {"x": TensorType((draw(st.integers(1, 9)),), "uint8")}
    operations = []
    for index in range(draw(st.integers(1, 8))):
        read = draw(st.lists(st.sampled_from(sorted(types)), min_size=1, max_size=3, unique=True))
        made = tuple(f"v{index}_{part}" for part in range(draw(st.integers(1, 2))))
        types |= {name: TensorType((draw(st.integers(1, 9)),), "uint8") for name in made}
        operations.append(Operation("concat", f"op{index}", {"values": tuple(read)}, made))
    outputs = draw(st.lists(st.sampled_from(sorted(types)), min_size=1, max_size=3, unique=True))
    return Graph({"x": types["x"]}, {}, tuple(outputs), operations, types, {})


@given(graphs())
@settings(max_examples=200)
def test_the_peak_is_the_largest_moment_of_values_born_and_still_needed(graph):
    born = {"x": 0} | {name: i for i, op in enumerate(graph.operations) for name in op.outputs}
    needed = dict(born)
    for index, operation in enumerate(graph.operations):
        needed.update(dict.fromkeys(operation.input_names, index))
    needed.update(dict.fromkeys(graph.outputs, len(graph.operations)))
    moments = [
        sum(graph.types[name].bytes for name in born if born[name] <= moment <= needed[name])
        for moment in range(len(graph.operations))
    ]
    peak = peak_activation(graph)
    assert peak.bytes == max(moments) == sum(size for _, size in peak.tensors)
