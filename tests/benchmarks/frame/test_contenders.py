"""Contenders: inputs of a full bank, int8 from noise, borrowed encoders, and a peer's program that does not lower."""

import pytest
import torch
from torch import nn

from benchmarks.frame import contenders, programs
from benchmarks.frame.contenders import OURS, Setting, contender, lowered_gemm
from benchmarks.frame.memory import peak_memory
from benchmarks.frame.programs import OneProgram, frame_inputs, gemm_program, own_model
from benchmarks.frame.runtimes import LOWERED
from tests.benchmarks.tiny import TINY
from tinysam2.core.config import preset
from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.models.network.programs import build_programs
from tinysam2.models.quantization.layers import FrozenLayer
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE, PROGRAMS
from tinysam2.validation.memory.measured import can_measure


@pytest.fixture
def setting(tmp_path):
    return Setting(TINY, "torch", "fp32", 1, tmp_path)


@pytest.fixture
def peers(monkeypatch):
    """In place of EdgeTAM, programs of one layer, lowered to nothing; the memory encoder's converter fails."""

    def build(name, precision="fp32", lowered=True):
        layer = nn.Linear(2, 2)
        inputs = {"x": torch.empty(1, 2, device="meta")}
        return {
            program: OneProgram(program, layer, lambda x: layer(x), inputs)
            for program in PROGRAMS
            if program != IMAGE_ENCODER
        }

    def lower(slug, build, setting, precision):
        if MEMORY_ENCODER in slug:
            raise NotImplementedError("there is no kernel for this\nand more")
        (setting.folder / slug).write_bytes(b"four")
        return setting.folder / slug

    monkeypatch.setattr(contenders, "peer_programs", build)
    monkeypatch.setattr(contenders, "_lower", lower)
    monkeypatch.setattr(contenders, "calls_of", lambda files, setting: dict.fromkeys(files, lambda: None))


def test_the_bank_is_full_and_there_is_no_prompt():
    inputs = frame_inputs(TINY)
    assert list(inputs) == list(PROGRAMS)
    attended = inputs[MEMORY_ATTENTION]
    assert (attended["slot_age"] >= 0).all()
    assert (attended["pointer_age"] >= 0).all()
    assert attended["memory_xy"].amax() <= TINY.grid - 1
    assert (inputs[MASK_DECODER]["point_labels"] == -1).all()
    assert inputs[MEMORY_ENCODER]["is_prompted"] == 0
    assert all(torch.equal(x, frame_inputs(TINY)[name][key]) for name, of in inputs.items() for key, x in of.items())


def test_int8_without_a_checkpoint_is_calibrated_on_noise():
    loaded = own_model(TINY, "int8")
    assert loaded.recipe == DEFAULT_RECIPE
    assert not loaded.trained
    inputs = frame_inputs(TINY)
    for name, program in build_programs(loaded.model).items():
        assert any(isinstance(module, FrozenLayer) for module in program.modules())
        assert all(torch.isfinite(output).all() for output in program(**inputs[name]))


def test_this_model_runs_every_program(setting):
    ours = contender(OURS, setting)
    assert list(ours.calls) == list(PROGRAMS)
    assert ours.file_bytes is None
    for call in ours.calls.values():
        assert isinstance(call(), tuple)


def test_a_peers_program_that_does_not_lower_is_reported_and_the_others_run(peers, tmp_path):
    peer = contender("EdgeTAM", Setting(preset("tinysam2"), LOWERED[0], "fp32", 1, tmp_path))
    assert peer.missing == {MEMORY_ENCODER: "not lowered: NotImplementedError: there is no kernel for this"}
    assert list(peer.calls) == [MEMORY_ATTENTION, MASK_DECODER]
    assert peer.borrowed == {IMAGE_ENCODER}
    assert peer.file_bytes == 8


def test_edgetams_encoder_is_not_that_of_another_size(peers, setting):
    peer = contender("EdgeTAM", setting)
    assert peer.borrowed == frozenset()
    assert peer.missing[IMAGE_ENCODER].startswith("not available: transformers takes it from timm, and tiny has")
    assert torch.is_tensor(peer.calls[MASK_DECODER]()[0])


@pytest.mark.skipif(not can_measure(), reason="the system does not tell a process's memory")
def test_memory_is_measured_in_a_process_of_its_own(setting):
    held = peak_memory(contender(OURS, setting), setting, {})
    weights = sum(4 * parameter.numel() for parameter in own_model(TINY, "fp32").model.parameters())
    assert held > weights


@pytest.fixture
def small_products(monkeypatch):
    monkeypatch.setattr(programs, "GEMM_SIDE", 32)


def test_int8_products_stay_near_float_ones(small_products):
    x = torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(0))
    [expected], [found] = gemm_program("fp32")(x=x), gemm_program("int8")(x=x)
    assert (found - expected).abs().amax() < 0.2 * expected.abs().amax()
    assert not torch.equal(found, expected)


@pytest.mark.e2e
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("runtime", LOWERED)
def test_products_are_lowered_once_and_run(small_products, tmp_path, runtime, precision):
    setting = Setting(TINY, runtime, precision, 1, tmp_path)
    assert lowered_gemm(setting, precision)() is not None
    [file] = (path for path in tmp_path.rglob("*") if path.is_file())
    written = file.stat().st_mtime_ns
    lowered_gemm(setting, precision)
    assert file.stat().st_mtime_ns == written
