"""The conversion targets, as data: the one registry that converters, runtimes and commands read.

A target is one file in `converters`, one backend in `mobile_runtime`, and one entry here.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from tinysam2.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


INT8 = "int8"
"""The precision that takes a quantized model's weights."""


@dataclass(frozen=True)
class Target:
    """One runtime that the programs are converted for.

    name: as on the command line. title: as its makers spell it. extra: what to install (`tinysam2[extra]`).
    packages: the import names that the extra brings. converter, backend: modules of this project.
    addressing: how a program's tensors are passed to it. unfolded_weights: whether the converter takes int8 weights
    in the form of `tinysam2.models.quantization.layers.FrozenLayer.unfold`. int8_weights_alone: whether it takes int8
    weights beside float activations (a recipe's w8).
    precisions: precision -> dtype of the artifact's inputs and outputs, the default first.
    shipped_for: the phone platforms whose bundle it goes into. runtime: what the app adds to run it.
    """

    name: str
    title: str
    extra: str
    packages: tuple[str, ...]
    converter: str
    backend: str
    precisions: "Mapping[str, str]"
    shipped_for: tuple[str, ...]
    runtime: str
    addressing: str
    unfolded_weights: bool = False
    int8_weights_alone: bool = False

    @property
    def default_precision(self) -> str:
        return next(iter(self.precisions))

    def load_converter(self) -> ModuleType:
        """The target's converter, its toolchain imported with it. `InputError` where the extra is missing."""
        self.require_installed()
        return importlib.import_module(self.converter)

    def load_backend(self) -> ModuleType:
        """The target's backend, its runtime imported with it. `InputError` where the extra is missing."""
        self.require_installed()
        return importlib.import_module(self.backend)

    def require_installed(self) -> None:
        """Checks, without importing it, that the toolchain is there."""
        missing = [package for package in self.packages if importlib.util.find_spec(package) is None]
        if missing:
            raise InputError(
                f"target {self.name} needs the package {missing[0]}, which is not installed; "
                f"install it with: pip install 'tinysam2[{self.extra}]'"
            )


TARGETS: "Mapping[str, Target]" = MappingProxyType(
    {
        target.name: target
        for target in (
            Target(
                name="coreml",
                title="Core ML",
                extra="coreml",
                packages=("coremltools",),
                converter="tinysam2.converters.coreml",
                backend="tinysam2.mobile_runtime.coreml_backend",
                precisions=MappingProxyType({"fp16": "float16", "fp32": "float32", INT8: "float32"}),
                shipped_for=("ios",),
                runtime="Core ML, iOS 17 or newer",
                addressing="by the contract's names",
                int8_weights_alone=True,
            ),
            Target(
                name="executorch",
                title="ExecuTorch",
                extra="executorch",
                packages=("executorch",),
                converter="tinysam2.converters.executorch",
                backend="tinysam2.mobile_runtime.executorch_backend",
                precisions=MappingProxyType({"fp32": "float32", INT8: "float32"}),
                shipped_for=("ios", "android"),
                runtime="ExecuTorch with the XNNPACK backend, as new as the exporter",
                addressing="by position, in the contract's order",
            ),
            Target(
                name="tflite",
                title="LiteRT",
                extra="tflite",
                packages=("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
                converter="tinysam2.converters.litert.converter",
                backend="tinysam2.mobile_runtime.litert_backend",
                precisions=MappingProxyType({"fp32": "float32", "fp16": "float32", INT8: "float32"}),
                shipped_for=("android",),
                runtime="LiteRT 2 (com.google.ai.edge.litert:litert)",
                addressing="inputs by the contract's names; outputs output_0, output_1, ... in the contract's order",
                unfolded_weights=True,
            ),
        )
    }
)


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
