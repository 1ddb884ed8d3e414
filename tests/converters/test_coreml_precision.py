"""Which operations of a Core ML conversion stay in fp32: those from which plain arithmetic leads to a choice."""

from dataclasses import dataclass, field

import pytest

pytest.importorskip("coremltools")

from tinysam2.converters.coreml import REACH, _decides


@dataclass(eq=False)
class Output:
    child_ops: list = field(default_factory=list)


class Operation:
    visits = 0

    def __init__(self, op_type, *inputs):
        self._type = op_type
        self.outputs = [Output()]
        for source in inputs:
            source.outputs[0].child_ops.append(self)

    @property
    def op_type(self):
        Operation.visits += 1
        return self._type


def chain(length: int, last: str) -> Operation:
    """An addition, `length - 1` more behind it, and one last operation."""
    first = at = Operation("add")
    for _ in range(length - 1):
        at = Operation("mul", at)
    Operation(last, at)
    return first


@pytest.mark.parametrize("last", ["sin", "less", "clip", "round"])
@pytest.mark.parametrize(("length", "decides"), [(1, True), (REACH, True), (REACH + 1, False)])
def test_a_value_decides_where_a_sine_or_comparison_is_within_reach(last, length, decides):
    assert _decides(chain(length, last), REACH) is decides


def test_a_value_that_feeds_no_choice_does_not_decide():
    assert not _decides(chain(3, "add"), REACH)


def test_a_convolution_ends_the_search():
    first = Operation("add")
    Operation("less", Operation("conv", first))
    assert not _decides(first, REACH)


def test_each_operation_is_looked_at_a_few_times_however_many_paths_lead_to_it():
    """Twelve pairs, each operation of which feeds both of the next: 2**12 paths."""
    first = Operation("add")
    pair = (first, first)
    for _ in range(REACH - 1):
        pair = Operation("add", *pair), Operation("mul", *pair)
    Operation.visits = 0
    assert not _decides(first, REACH)
    assert Operation.visits <= 4 * 2 * REACH
