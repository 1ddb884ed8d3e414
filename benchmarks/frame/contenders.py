"""Who is timed: this model and its peers, lowered or eager, each as a call a program."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.converting import converted
from benchmarks.frame.programs import (
    GEMM,
    OneProgram,
    frame_inputs,
    gemm_program,
    noise_like,
    own_model,
    peer_programs,
    use_float_weights,
)
from benchmarks.frame.runtimes import Opened, opened
from benchmarks.frame.timing import WALL
from tinysam2.converters.export import ExportedModel
from tinysam2.core.artifacts import read_card
from tinysam2.core.config import REPVIT_VARIANTS, ModelConfig
from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.core.files import bytes_in
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import INT8, TARGETS, TORCH
from tinysam2.models.network.programs import build_programs
from tinysam2.models.quantization.recipe import PROGRAMS
from tinysam2.validation.cost.peer_models import EDGETAM, SIZE

FLOAT32 = "fp32"

OURS = "ours"
"""Stands for the model that is measured, whatever its preset is called."""

Calls = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Setting:
    """What is measured and how. config: the preset, perhaps at another size. folder: of the artifacts that are there
    or will be. checkpoint: its weights; None: shipped or seeded ones. clock: of `CLOCKS`."""

    config: ModelConfig
    runtime: str
    precision: str
    threads: int
    folder: Path
    checkpoint: str | None = None
    clock: str = WALL


@dataclass(frozen=True)
class Contender:
    """One model in one runtime. calls: by program. missing: why a program has no call. borrowed: programs whose time
    is ours in the same runtime. files: of the lowered programs."""

    name: str
    runtime: str
    precision: str
    calls: Calls
    missing: Mapping[str, str] = field(default_factory=dict)
    borrowed: frozenset[str] = frozenset()
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name and runtime, which no two contenders of a run share."""
        return f"{self.name}, {self.runtime} {self.precision}"

    @property
    def file_bytes(self) -> int | None:
        """Of all its files, each once; None where nothing is lowered."""
        return sum(map(bytes_in, set(self.files.values()))) if self.files else None


def contender(name: str, setting: Setting) -> Contender:
    """A model in the setting's runtime and precision; what is not lowered yet is. Raises InputError as `own_model`."""
    if setting.runtime == TORCH:
        with silenced():
            return _eager(name, setting)
    return _own_lowered(setting) if name == OURS else _peer_lowered(name, setting)


def lowered_gemm(setting: Setting, precision: str) -> Callable[[], object]:
    """What measures the peak of a runtime's matrix products. Raises what the converter or the runtime raises."""
    if setting.runtime == TORCH:
        program = gemm_program(precision)
        return _eager_call(program, noise_like(_inputs_of(program)))
    file = _lower(GEMM, gemm_program, setting, precision)
    return calls_of({GEMM: file}, setting)[GEMM]


def encoder_is_edgetams(config: ModelConfig) -> bool:
    """Whether the image encoder is RepViT-M1 at EdgeTAM's size, so that its time is EdgeTAM's."""
    return (config.repvit, config.image_size, config.hidden_dim) == (REPVIT_VARIANTS["m1"], SIZE, 256)


def first_line(error: Exception) -> str:
    """The kind of an error and the first line that it says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _own_lowered(setting: Setting) -> Contender:
    config, runtime = setting.config, setting.runtime
    folder = setting.folder / config.name / setting.precision
    converted(own_model(config, setting.precision, setting.checkpoint), {runtime: setting.precision}, folder)
    card, inputs = read_card(folder, TARGETS[runtime]), frame_inputs(config)
    files = {name: folder / card.files[name] for name in PROGRAMS}
    values = {name: {key: x.numpy() for key, x in of.items()} for name, of in inputs.items()}
    return Contender(OURS, runtime, setting.precision, calls_of(files, setting, values), files=files)


def calls_of(
    files: Mapping[str, Path], setting: Setting, inputs: Mapping[str, Mapping[str, np.ndarray]] | None = None
) -> Calls:
    """What runs lowered programs, by the files that hold them. inputs: by program; None: noise."""
    calls = {}
    for file in dict.fromkeys(files.values()):
        names = [name for name in files if files[name] == file]
        for name, program in opened(setting.runtime, file, names, setting.threads).items():
            calls[name] = functools.partial(program.run, inputs[name] if inputs else _noise(program))
    return calls


def _peer_lowered(name: str, setting: Setting) -> Contender:
    """Each program in a file of its own, so that one that does not lower takes none along."""
    build = functools.cache(lambda precision: peer_programs(name, precision))
    calls: dict[str, Callable[[], object]] = {}
    files: dict[str, Path] = {}
    missing, borrowed = _borrowed_encoder(name, setting.config)
    for program in PROGRAMS:
        if program in missing or program in borrowed:
            continue
        try:
            slug = f"{name.replace(' ', '-')}-{program}"
            file = _lower(slug, lambda precision, of=program: build(precision)[of], setting, setting.precision)
            calls |= calls_of({program: file}, setting)
            files[program] = file
        except Exception as error:  # whatever a converter or runtime makes of a foreign model is reported as such
            missing[program] = f"not lowered: {first_line(error)}"
    return Contender(name, setting.runtime, setting.precision, calls, missing, borrowed, files)


def _borrowed_encoder(name: str, config: ModelConfig) -> tuple[dict[str, str], frozenset[str]]:
    """What of a peer is missing from the start, and what is timed as ours."""
    if name != EDGETAM:
        return {}, frozenset()
    if encoder_is_edgetams(config):
        return {}, frozenset({IMAGE_ENCODER})
    reason = f"not available: transformers takes it from timm, and {config.name} has another encoder"
    return {IMAGE_ENCODER: reason}, frozenset()


def _eager(name: str, setting: Setting) -> Contender:
    missing: dict[str, str] = {}
    borrowed: frozenset[str] = frozenset()
    if name == OURS:
        programs = build_programs(own_model(setting.config, FLOAT32, setting.checkpoint).model)
        inputs = frame_inputs(setting.config)
    else:
        programs = peer_programs(name, lowered=False)
        inputs = {key: noise_like(_inputs_of(program)) for key, program in programs.items()}
        missing, borrowed = _borrowed_encoder(name, setting.config)
    calls = {key: _eager_call(program, inputs[key]) for key, program in programs.items()}
    return Contender(name, TORCH, FLOAT32, calls, missing, borrowed)


def _eager_call(program: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> Callable[[], object]:
    return torch.inference_mode()(lambda: program(**inputs))


def _inputs_of(program: OneProgram) -> dict[str, torch.Tensor]:
    return {spec.name: torch.empty(spec.shape, device="meta") for spec in program.spec.inputs}


def _noise(program: Opened) -> dict[str, np.ndarray]:
    """Normal noise for a program's inputs."""
    inputs = noise_like({name: torch.empty(shape, device="meta") for name, shape in program.shapes.items()})
    return {name: x.numpy() for name, x in inputs.items()}


def _lower(slug: str, build: Callable[[str], Any], setting: Setting, precision: str) -> Path:
    """The file of one program in a folder of its own, made unless it is there.

    build: the program at a precision.
    """
    folder = setting.folder / "peers" / f"{slug}-{precision}"
    entry = TARGETS[setting.runtime]
    with silenced():
        converter = entry.load_converter()
    if not (folder / converter.FILE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with silenced():
            program = build(precision)
            if entry.float_weights and precision == INT8:
                use_float_weights(program)
            example = {name: x.contiguous() for name, x in noise_like(_inputs_of(program)).items()}
            with torch.no_grad():
                graph = torch.export.export(program, (), example, strict=False)
            converter.convert([ExportedModel(program, example, graph)], precision, folder)
    return folder / converter.FILE
