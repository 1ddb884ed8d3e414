"""What the runtimes' own clocks say of a small model: every operation, which are not delegated, and the forms of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tinysam2.core.contract import ProgramSpec, TensorSpec
from tinysam2.core.errors import InputError
from tinysam2.core.targets import TARGETS
from tinysam2.validation.profiling.model_explorer import node_data
from tinysam2.validation.profiling.operations import Operation, ProgramProfile, Time, Timeline, random_inputs
from tinysam2.views.operations import explanations, print_profiles

SIZE, CHANNELS, RUNS = 16, 16, 3
SPEC = ProgramSpec(
    "image_encoder",
    (TensorSpec("image", (1, 3, SIZE, SIZE), "values"),),
    (TensorSpec("tokens", (1, SIZE * SIZE // 4, CHANNELS), "tokens"),),
)


class Small(nn.Module):
    """A convolution, a layer norm, a linear layer, and a product of two computed tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = SPEC
        self.convolution = nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(CHANNELS)
        self.linear = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        tokens = self.norm(self.convolution(image).flatten(2).transpose(1, 2))
        tokens = self.linear(tokens)
        return (torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens,)


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Callable[[str], Path]:
    """The small model's file for a target, converted once."""
    from tinysam2.converters.export import ExportedModel
    from tinysam2.core.silencing import silenced

    made: dict[str, Path] = {}

    def convert(target: str) -> Path:
        pytest.importorskip(TARGETS[target].packages[0])
        if target not in made:
            module, folder = Small().eval(), tmp_path_factory.mktemp(target)
            example = {"image": torch.zeros(1, 3, SIZE, SIZE)}
            exported = ExportedModel(module, example, torch.export.export(module, (), example, strict=False))
            with silenced():
                files = TARGETS[target].load_converter().convert([exported], "fp32", folder)
            made[target] = folder / files[SPEC.name]
        return made[target]

    return convert


@pytest.fixture(scope="module")
def profiled(converted) -> Callable[[str], ProgramProfile]:
    made: dict[str, ProgramProfile] = {}

    def profile(target: str) -> ProgramProfile:
        if target not in made:
            path, inputs = converted(target), random_inputs(SPEC, "float32")
            made[target] = TARGETS[target].load_profiler().profile_program(path, SPEC, inputs, RUNS, 1)
        return made[target]

    return profile


every_profiler = pytest.mark.parametrize("target", [name for name, entry in TARGETS.items() if entry.profiler])


@every_profiler
def test_the_operators_within_the_delegate_are_told_apart(profiled, target):
    delegated = [operation for operation in profiled(target).operations if operation.delegated]
    assert any(operation.name.startswith("Convolution (NHWC, F32)") for operation in delegated)
    assert any(operation.name.startswith("Softmax") for operation in delegated)
    assert all(operation.weights == () and operation.reason is None for operation in delegated)
    places = [(operation.name, operation.place) for operation in profiled(target).operations]
    assert len(set(places)) == len(places)


@every_profiler
def test_all_operations_together_take_no_longer_than_the_runs(profiled, target):
    profile = profiled(target)
    assert 0 < profile.milliseconds <= profile.time.least
    assert profile.time.least <= profile.time.median
    assert profile.share(profile.operations) == pytest.approx(1)


def test_executorch_leaves_the_norm_to_a_portable_kernel_and_the_reason_is_written(profiled):
    [norm] = [operation for operation in profiled("executorch").undelegated if operation.weights]
    assert (norm.name, norm.weights) == ("aten::native_layer_norm", ((CHANNELS,), (CHANNELS,)))
    assert "layer norm" in norm.reason
    assert norm.node == f"{SPEC.name}_0_{norm.place.removeprefix('instruction ')}"


def test_litert_computes_products_of_computed_tensors_in_its_delegate(profiled):
    profile = profiled("tflite")
    assert any("Batch Matrix Multiply" in operation.name and operation.delegated for operation in profile.operations)
    assert not [operation for operation in profile.undelegated if operation.name == "FULLY_CONNECTED"]


@every_profiler
def test_a_program_that_the_file_lacks_is_refused(converted, target):
    path, spec = converted(target), ProgramSpec("mask_decoder", SPEC.inputs, SPEC.outputs)
    with pytest.raises(InputError, match=r"has no (method|signature) mask_decoder; convert again"):
        TARGETS[target].load_profiler().profile_program(path, spec, random_inputs(spec, "float32"), 1, 1)


@every_profiler
def test_a_damaged_file_is_refused(converted, target, tmp_path):
    path = tmp_path / converted(target).name
    path.write_bytes(converted(target).read_bytes()[:200])
    with pytest.raises(InputError, match="convert again"):
        TARGETS[target].load_profiler().profile_program(path, SPEC, random_inputs(SPEC, "float32"), 1, 1)


@every_profiler
def test_node_data_hold_each_undelegated_operation_by_graph_and_node(profiled, target):
    profile = profiled(target)
    data = node_data([profile])[SPEC.name]
    assert {item["stop"] for item in data["gradient"]} == {0, 1}
    for operation in profile.undelegated:
        assert data["results"][operation.node]["value"] >= round(operation.time.least, 6)
        assert "textColor" in data["results"][operation.node]


def operation(name: str, least: float, *, delegated: bool = True, **known) -> Operation:
    return Operation(name, f"at {name}", Time(least, 2 * least), delegated, **known)


PROFILE = ProgramProfile(
    "mask_decoder",
    Time(5.0, 6.0),
    [
        operation("Add", 1.0, node="a"),
        operation("NORM", 2.0, delegated=False, weights=((4,),), reason="it is a norm", node="b"),
        operation("Copy", 0.5, node="a"),
        operation("POW", 0.5, delegated=False, weights=((2,),)),
    ],
)


def test_the_most_expensive_come_first_and_shares_are_of_all_operations():
    assert [found.name for found in PROFILE.most_expensive(2)] == ["NORM", "Add"]
    assert PROFILE.share(PROFILE.undelegated) == pytest.approx(2.5 / 4)


def test_the_json_holds_every_operation_the_most_expensive_first():
    described = PROFILE.to_json()
    assert (described["milliseconds"], described["whole_runs"]) == (4.0, {"least": 5.0, "median": 6.0})
    assert described["undelegated_share"] == 0.625
    assert [entry["name"] for entry in described["operations"]] == ["NORM", "Add", "Copy", "POW"]
    assert described["operations"][0] == {
        "name": "NORM",
        "place": "at NORM",
        "time": {"least": 2.0, "median": 4.0},
        "delegated": False,
        "weights": ((4,),),
        "reason": "it is a norm",
        "node": "b",
    }


def test_operations_of_one_node_are_added_and_those_without_one_left_out():
    assert node_data([PROFILE])["mask_decoder"]["results"] == {
        "a": {"value": 1.5},
        "b": {"value": 2.0, "textColor": "#b00020"},
    }


def test_the_table_marks_what_is_not_delegated_and_says_why(capsys):
    print_profiles([PROFILE])
    printed = capsys.readouterr().out
    assert "mask_decoder: 4.000 ms in 4 operations; 2 undelegated take 62.5%" in printed
    [row] = [line for line in printed.splitlines() if line.lstrip().startswith("NORM")]
    assert row.split() == ["NORM", "at", "NORM", "2.000", "50.0%", "undelegated"]
    assert explanations([PROFILE]) == [
        "undelegated: NORM with weights, 1 in all, 50.0% of mask_decoder: it is a norm",
        "undelegated: POW with weights, 1 in all, 12.5% of mask_decoder: no reason is written down",
    ]


def test_a_timeline_keeps_the_order_of_the_first_run():
    timeline = Timeline()
    for first, second in ((3.0, 1.0), (2.0, 9.0), (7.0, 2.0)):
        timeline.add("first", first)
        timeline.add("second", second)
    assert list(timeline.times()) == [("first", Time(2.0, 3.0)), ("second", Time(1.0, 2.0))]
