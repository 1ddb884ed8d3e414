"""The conversion targets, as data: the one registry that converters, runtimes, validation and commands read.

A target is one entry that names its modules. What a target lacks is None in its entry.
"""

import importlib
import importlib.util
import re
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


INT8 = "int8"
"""The precision that takes a quantized model's weights."""

PRECISIONS = ("fp32", "fp16", INT8)
"""Every precision that a target may offer: validation has limits for these."""

IO_DTYPES = ("float32", "float16")

TORCH = "torch"
"""The float model's name where a runtime is asked for."""

RESERVED = (TORCH, "report", "manifest")
"""Names that no target may have: the float model's, and those of the JSON files beside a card."""


BY_NAME, BY_POSITION, BY_OUTPUT_INDEX = "name", "position", "output_index"
ADDRESSING = (BY_NAME, BY_POSITION, BY_OUTPUT_INDEX)
"""How a program's tensors are passed: by the contract's names, in its order, or (outputs alone) named `output_0`,
`output_1`, ... in its order."""


@dataclass(frozen=True)
class RuntimePackage:
    """What an app adds to run a target's artifacts.

    name: as its makers spell it. minimum_version: the oldest that runs what the pinned exporter writes.
    packages: platform -> the package by which an app gets it there.
    """

    name: str
    minimum_version: str
    packages: "Mapping[str, str]"


@dataclass(frozen=True)
class Target:
    """One runtime that the programs are converted for.

    name: as on the command line. title: as its makers spell it. packages: import names of the toolchain, which are
    its distributions' names too. extra: what installs them (`tinysam2[extra]`); None where no extra does.
    precisions: precision -> dtype of the artifact's inputs and outputs, the default first.
    shipped_for: the phone platforms whose bundle it goes into. runtime: what the app adds to run it.
    inputs_by, outputs_by: how a program's tensors are passed, of `ADDRESSING`. float_weights: whether the converter
    takes int8 weights in the form of `tinysam2.models.quantization.layers.FrozenLayer.use_float_weight`.
    weight_only_int8: whether it takes int8 weights beside float activations (a recipe's w8). stages: what the converter
    tells as it goes -> its share of the time that a conversion takes, relative to the others and to `EXPORT_STAGES`.

    The modules, by full name; None: not available.

    | field | the module offers |
    |---|---|
    | converter | `convert(programs: Sequence[ExportedModel], precision: str, folder: Path, progress: Progress)` |
    | | ` -> Mapping[str, str]`; `Progress` is `Callable[[str], None]`, told each stage as it begins |
    | backend | `load(folder: Path, card: ArtifactCard) -> Backend`, whose `memory()` and `layouts()` may be None |
    | integer_reader | `read_contents(path: Path, programs: tuple[str, ...]) -> Contents` |
    | value_reader | `open_values(files: Mapping[str, Path]) -> Intermediates` |
    | profiler | `profile_program(path, spec, inputs, runs, threads) -> ProgramProfile` |
    """

    name: str
    title: str
    packages: tuple[str, ...]
    converter: str | None
    backend: str | None
    precisions: "Mapping[str, str]"
    shipped_for: tuple[str, ...]
    runtime: RuntimePackage
    inputs_by: str = BY_NAME
    outputs_by: str = BY_NAME
    extra: str | None = None
    integer_reader: str | None = None
    value_reader: str | None = None
    profiler: str | None = None
    float_weights: bool = False
    weight_only_int8: bool = False
    stages: "Mapping[str, int]" = field(default_factory=lambda: {"converting": 200})

    @property
    def default_precision(self) -> str:
        return next(iter(self.precisions))

    def load_converter(self) -> ModuleType:
        """The target's converter, its toolchain imported with it. `InputError` where there is none or the toolchain
        is missing."""
        return self._load(self.converter, "converter")

    def load_backend(self) -> ModuleType:
        """The target's backend, its runtime imported with it. `InputError` as `load_converter`."""
        return self._load(self.backend, "backend")

    def load_integer_reader(self) -> ModuleType:
        """What reads the integers of the target's int8 files. `InputError` as `load_converter`."""
        return self._load(self.integer_reader, "integer reader")

    def load_value_reader(self) -> ModuleType:
        """What opens the target's files to their intermediate values. `InputError` as `load_converter`."""
        return self._load(self.value_reader, "reader of intermediate values")

    def load_profiler(self) -> ModuleType:
        """What times the operations of the target's files. `InputError` as `load_converter`."""
        return self._load(self.profiler, "profiler")

    def _load(self, module: str | None, what: str) -> ModuleType:
        if module is None:
            raise InputError(f"target {self.name} has no {what}: not available")
        self.require_installed()
        return importlib.import_module(module)

    def require_installed(self) -> None:
        """Checks, without importing it, that the toolchain is there."""
        missing = [package for package in self.packages if importlib.util.find_spec(package) is None]
        if missing:
            what = f"'tinysam2[{self.extra}]'" if self.extra else " ".join(self.packages)
            raise InputError(
                f"target {self.name} needs the package {missing[0]}, which is not installed; "
                f"install it with: pip install {what}"
            )


_PROGRAMS = (IMAGE_ENCODER, MEMORY_ATTENTION, MASK_DECODER, MEMORY_ENCODER)


def _by_program(doing: str, *shares: int) -> "Mapping[str, int]":
    """A stage for each program."""
    return {f"{doing} {program}": share for program, share in zip(_PROGRAMS, shares, strict=True)}


_TARGETS: dict[str, Target] = {}

TARGETS: "Mapping[str, Target]" = MappingProxyType(_TARGETS)
"""Every target by name, those registered later too."""


def register_target(target: Target) -> None:
    """Adds a target, which every command, the validation and the bundles then offer.

    Raises InputError where the name is taken, reserved or no file name, or a precision or dtype is unknown.
    """
    if target.name in TARGETS:
        raise InputError(f"target '{target.name}' is already registered; choose another name")
    if target.name in RESERVED or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", target.name):
        raise InputError(
            f"a target cannot be named '{target.name}'; use lower-case letters, digits, - and _, "
            f"and none of {', '.join(RESERVED)}"
        )
    if not target.precisions:
        raise InputError(f"target {target.name} has no precision; name at least one of {', '.join(PRECISIONS)}")
    for precision, dtype in target.precisions.items():
        if precision not in PRECISIONS:
            raise InputError(
                f"target {target.name} has an unknown precision '{precision}'; it must be one of: "
                f"{', '.join(PRECISIONS)}"
            )
        if dtype not in IO_DTYPES:
            raise InputError(
                f"target {target.name} has inputs of '{dtype}' in {precision}; they must be one of: "
                f"{', '.join(IO_DTYPES)}"
            )
    for how, known in ((target.inputs_by, ADDRESSING[:2]), (target.outputs_by, ADDRESSING)):
        if how not in known:
            raise InputError(f"target {target.name} passes tensors by '{how}'; it must be one of: {', '.join(known)}")
    if missing := set(target.shipped_for) - set(target.runtime.packages):
        raise InputError(
            f"target {target.name} names no runtime package for {min(missing)}; name what an app adds there"
        )
    _TARGETS[target.name] = target


def unregister_target(name: str) -> None:
    """Takes a target out again. Raises InputError where there is none of that name."""
    del _TARGETS[target(name).name]


for _entry in (
    Target(
        name="coreml",
        title="Core ML",
        extra="coreml",
        packages=("coremltools",),
        converter="tinysam2.converters.coreml",
        backend="tinysam2.mobile_runtime.coreml_backend",
        integer_reader="tinysam2.validation.integers.read_coreml",
        value_reader="tinysam2.validation.locating.read_coreml",
        precisions=MappingProxyType({"fp16": "float16", "fp32": "float32", INT8: "float32"}),
        shipped_for=("ios",),
        runtime=RuntimePackage("Core ML", "17.0", MappingProxyType({"ios": "CoreML.framework, part of iOS"})),
        weight_only_int8=True,
        stages=MappingProxyType(_by_program("converting", 35, 25, 100, 55)),
    ),
    Target(
        name="executorch",
        title="ExecuTorch",
        extra="executorch",
        packages=("executorch",),
        converter="tinysam2.converters.executorch",
        backend="tinysam2.mobile_runtime.executorch_backend",
        integer_reader="tinysam2.validation.integers.read_executorch",
        value_reader="tinysam2.validation.locating.read_executorch",
        profiler="tinysam2.validation.profiling.profile_executorch",
        precisions=MappingProxyType({"fp32": "float32", INT8: "float32"}),
        shipped_for=("ios", "android"),
        runtime=RuntimePackage(
            "ExecuTorch with XNNPACK",
            "1.5.1",
            MappingProxyType(
                {
                    "ios": "https://github.com/pytorch/executorch (Swift package, branch swiftpm-1.5.1)",
                    "android": "org.pytorch:executorch-android",
                }
            ),
        ),
        inputs_by=BY_POSITION,
        outputs_by=BY_POSITION,
        stages=MappingProxyType(
            {**_by_program("decomposing", 30, 15, 30, 15), "lowering to XNNPACK": 700, "writing": 60}
        ),
    ),
    Target(
        name="tflite",
        title="LiteRT",
        extra="tflite",
        packages=("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
        converter="tinysam2.converters.litert.converter",
        backend="tinysam2.mobile_runtime.litert_backend",
        integer_reader="tinysam2.validation.integers.read_tflite",
        value_reader="tinysam2.validation.locating.read_tflite",
        profiler="tinysam2.validation.profiling.profile_tflite",
        precisions=MappingProxyType({"fp32": "float32", "fp16": "float32", INT8: "float32"}),
        shipped_for=("android",),
        runtime=RuntimePackage("LiteRT", "2.3.0", MappingProxyType({"android": "com.google.ai.edge.litert:litert"})),
        outputs_by=BY_OUTPUT_INDEX,
        float_weights=True,
        stages=MappingProxyType({"lowering to TensorFlow Lite": 600, "writing": 2}),
    ),
):
    register_target(_entry)


def target(name: str) -> Target:
    """The target of that name; `InputError` names the ones there are."""
    if name not in TARGETS:
        raise InputError(f"unknown target '{name}'; the targets are {', '.join(TARGETS)}")
    return TARGETS[name]


def checked_precision(chosen: Target, precision: str | None) -> str:
    """The precision to convert to, the target's default where none is asked for; `InputError` where it has not
    got it. Nothing heavy is imported."""
    if precision is None:
        return chosen.default_precision
    if precision not in chosen.precisions:
        raise InputError(f"target {chosen.name} has no precision '{precision}'; it has {', '.join(chosen.precisions)}")
    return precision
