"""A layer broken in a real artifact's file is the one that is named; an unmodified artifact names none."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.core.errors import InputError
from tinysam2.core.targets import TARGETS

PROGRAM, SIZE = "image_encoder", 16
LIMIT_DB = 100.0

every_target = pytest.mark.parametrize("target", list(TARGETS))


class Tiny(nn.Module):
    """Convolutions that run channels last, a norm, linear layers of which one has its ReLU fused, and attention."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pointwise = nn.Conv2d(16, 12, 1)
        self.linear = nn.Linear(12, 20)
        self.square = nn.Linear(20, 20)
        self.faint = nn.Conv2d(12, 12, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = F.gelu(self.norm(self.conv(image).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        x = self.pointwise(x + F.gelu(self.depthwise(x)))
        x = x + 1e-7 * F.gelu(self.faint(x))
        tokens = x.flatten(2).transpose(1, 2)
        tokens = self.square(F.relu(self.linear(tokens)))
        return torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens


class Program(nn.Module):
    """What converters take: a module that says its inputs and outputs."""

    def __init__(self, module: nn.Module, spec) -> None:
        super().__init__()
        self.module, self.spec = module, spec

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.module(image),)


@dataclass(frozen=True, eq=False)
class TinyProgram:
    """A model, its exported program, and inputs."""

    module: nn.Module
    exported: object
    inputs: Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def tiny() -> TinyProgram:
    from tinysam2.converters.export import ExportedModel
    from tinysam2.core.contract import ProgramSpec, TensorSpec

    image = TensorSpec("image", (1, 3, SIZE, SIZE), "values")
    spec = ProgramSpec(PROGRAM, (image,), (TensorSpec("tokens", (1, SIZE * SIZE // 4, 20), "tokens"),))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        module = Tiny().eval()
        nn.init.uniform_(module.norm.weight, 0.5, 1.5)
        given = torch.randn(image.shape)
    program = Program(module, spec).eval()
    example = {"image": torch.zeros(image.shape)}
    exported = ExportedModel(program, example, torch.export.export(program, (), example, strict=False))
    return TinyProgram(module, exported, {"image": given.numpy()})


@pytest.fixture(scope="module")
def graph(tiny):
    from tinysam2.validation.locating.float_graph import FloatGraph

    return FloatGraph(PROGRAM, tiny.exported.graph.run_decompositions({}), ("image",))


@pytest.fixture(scope="module")
def converted(tiny, tmp_path_factory) -> Callable[[str], Path]:
    """The tiny program in fp32, converted to a target once; the path of its file or package."""
    from tinysam2.core.silencing import silenced

    made: dict[str, Path] = {}

    def convert(target: str) -> Path:
        pytest.importorskip(TARGETS[target].packages[0])
        if target not in made:
            folder = tmp_path_factory.mktemp(target)
            with silenced():
                files = TARGETS[target].load_converter().convert([tiny.exported], "fp32", folder)
            made[target] = folder / files[PROGRAM]
        return made[target]

    return convert


@pytest.fixture
def followed(tiny, graph):
    """What following an artifact's file says."""
    from tinysam2.validation.locating.following import follow

    def run(target: str, path: Path):
        values = TARGETS[target].load_value_reader().open_values({PROGRAM: path}).run(PROGRAM, tiny.inputs)
        return follow(graph, tiny.inputs, values, LIMIT_DB)

    return run


@pytest.fixture
def broken(converted, tiny, tmp_path):
    """A copy of an artifact in which one parameter's bytes, found exactly once in whatever layout, are others."""

    def make(target: str, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Path:
        source = converted(target)
        path = tmp_path / source.name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, path)
        values = tiny.module.get_parameter(name).detach().numpy()
        layouts = {2: [(0, 1)], 4: [(0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0)]}.get(values.ndim, [(0,)])
        found = 0
        for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
            data = file.read_bytes()
            for layout in dict.fromkeys(values.transpose(layout).tobytes() for layout in layouts):
                order = next(o for o in layouts if values.transpose(o).tobytes() == layout)
                found += data.count(layout)
                data = data.replace(layout, change(values).astype(np.float32).transpose(order).tobytes())
            file.write_bytes(data)
        assert found == 1
        return path

    return make


def noisy(values: np.ndarray) -> np.ndarray:
    return values * (1 + 0.1 * np.random.default_rng(0).standard_normal(values.shape))


def named(graph, followed) -> list[str]:
    return [graph.place(fault.node).layer for fault in followed.faults]


@every_target
def test_an_unmodified_artifact_names_no_layer(target, converted, followed, graph):
    result = followed(target, converted(target))
    assert result.faults == []
    assert min(result.local_sqnr_db.values()) > 115
    shown = {graph.place(node).layer for node in result.local_sqnr_db}
    assert {f"{PROGRAM}.{name}" for name in ("conv", "norm", "depthwise", "pointwise", "square")} <= shown


@every_target
@pytest.mark.parametrize("layer", ["conv", "depthwise", "pointwise", "linear", "square"])
def test_a_layer_whose_weight_has_a_tenth_of_noise_is_named_alone(target, layer, broken, followed, graph):
    result = followed(target, broken(target, f"{layer}.weight", noisy))
    assert named(graph, result) == [f"{PROGRAM}.{layer}"]
    assert result.faults[0].local_sqnr_db < 30
    assert result.faults[0].value is not None


@every_target
def test_a_layer_whose_weight_is_anothers_is_named_though_its_value_resembles_nothing(target, broken, followed, graph):
    result = followed(target, broken(target, "square.weight", lambda weight: weight[::-1]))
    assert named(graph, result)[0] == f"{PROGRAM}.square"


@every_target
def test_a_layer_that_outputs_hardly_show_is_named_too(target, broken, followed, graph):
    result = followed(target, broken(target, "faint.weight", noisy))
    assert named(graph, result) == [f"{PROGRAM}.faint"]


@every_target
def test_a_bias_off_by_a_thousandth_is_named(target, broken, followed, graph):
    result = followed(target, broken(target, "pointwise.bias", lambda bias: bias * np.float32(1.001)))
    assert named(graph, result) == [f"{PROGRAM}.pointwise"]


@every_target
def test_what_follows_a_wrong_layer_is_not_blamed_for_what_came_in(target, broken, followed):
    result = followed(target, broken(target, "conv.weight", noisy))
    blamed = [own for node, own in result.local_sqnr_db.items() if node is not result.faults[0].node]
    assert min(blamed) >= LIMIT_DB


@every_target
def test_a_file_that_cannot_be_read_is_refused(target, converted, tmp_path):
    converted(target)
    path = tmp_path / "cut"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="cut"):
        TARGETS[target].load_value_reader().open_values({PROGRAM: path})


class Card:
    target, precision = "coreml", "fp32"


class Replayed:
    """A backend and an opened artifact in one, which answers what it is told."""

    runtime, io_dtype = "a test", np.dtype("float32")

    def __init__(self, tiny, computed, outputs) -> None:
        self.contract = {PROGRAM: tiny.exported.program.spec}
        self.computed, self.outputs = computed, outputs

    def run(self, program, inputs):
        from tinysam2.validation.locating.intermediates import Values

        return Values(self.computed, (self.outputs,)) if self.computed is not None else {"tokens": self.outputs}


@pytest.fixture
def located(tiny, graph):
    """Locates in the float model's own values, with outputs of the artifact and of what ships as they are given."""
    from tinysam2.validation.locating.locate import locate_in
    from tinysam2.validation.parity.recording import Call

    with torch.inference_mode():
        expected = tiny.module(torch.from_numpy(tiny.inputs["image"])).numpy()
    *_, (_, values) = graph.compute(tiny.inputs)
    computed = tuple(value.numpy() for node, value in values.items() if node in graph.computed[:-1])
    call = Call(PROGRAM, tiny.inputs, {"tokens": expected})

    def run(shipped: float = 1.0, opened: float = 1.0):
        backend = Replayed(tiny, None, expected * np.float32(shipped))
        return locate_in(graph, Card, backend, Replayed(tiny, computed, expected * np.float32(opened)), [call])

    return run


def test_a_delegate_that_computes_otherwise_than_its_kernels_is_told_apart_from_the_file(located):
    assert located().runtimes_agree
    faulty = located(shipped=1.01)
    assert faulty.first is None
    assert not faulty.runtimes_agree
    assert faulty.runtimes_db == pytest.approx(40, abs=0.5)


def test_a_wrong_output_is_named_with_what_came_in_and_the_drop(located):
    errors = located(shipped=1.01, opened=1.01)
    assert errors.first.layer == PROGRAM
    assert errors.first.local_sqnr_db == errors.first.sqnr_db == pytest.approx(40, abs=0.5)
    assert errors.first.input_sqnr_db == 200
    assert errors.first.sqnr_drop_db == pytest.approx(160, abs=0.5)
    assert errors.runtimes_agree


def test_what_is_located_is_json_as_the_schema_has_it(located):
    import json

    from jsonschema import Draft202012Validator

    schema = json.loads((Path(__file__).parents[3] / "validation/reporting/report.schema.json").read_text())
    wanted = {"$ref": "#/$defs/located", "$defs": schema["$defs"]}
    for errors in (located(), located(opened=1.01)):
        Draft202012Validator(wanted).validate(json.loads(json.dumps(errors.to_json())))


def test_the_plot_shows_each_layers_errors_and_names_the_first_below_the_threshold(located, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    from tinysam2.validation.locating.plot import draw_errors

    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (drawn.append(figure), save(figure, *a, **k)))
    unmodified, broken = located(), located(opened=1.01)
    draw_errors([unmodified], tmp_path / "unmodified.png")
    draw_errors([broken], tmp_path / "broken.png")
    [without], [axes] = (figure.axes for figure in drawn)
    assert axes.get_title() == f"{broken.target} {broken.precision}, {broken.program}"
    assert axes.lines[0].get_ydata().tolist() == [layer.sqnr_db for layer in broken.layers]
    assert axes.lines[1].get_ydata().tolist() == [layer.local_sqnr_db for layer in broken.layers]
    assert [text.get_text() for text in axes.texts] == [f"{broken.first.layer}\n{broken.first.operation}"]
    assert not without.texts
