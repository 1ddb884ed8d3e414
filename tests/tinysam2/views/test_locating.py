"""`validate --locate`: what the terminal says of the layers that were located, and what is refused."""

from pathlib import Path

import pytest

from tinysam2.core.targets import TARGETS
from tinysam2.validation.locating.locate import LayerError, ProgramErrors
from tinysam2.views.locating import print_located

RIGHT = LayerError("mask_decoder.iou_head.layers.0", "linear", 131.0, 133.0, 135.0)
WRONG = LayerError("mask_decoder.pointer.layers.1", "linear_51", 20.25, 131.0, 20.5)


def errors(first=None, seen=True, output_db=118.0, runtimes_db=120.0) -> ProgramErrors:
    return ProgramErrors(
        target="tflite",
        precision="fp32",
        program="mask_decoder",
        runtime="its own kernels",
        call=3,
        output_db=output_db,
        runtimes_db=runtimes_db,
        runtimes_limit_db=100.0,
        least_local_sqnr_db=100.0,
        first=first,
        seen=seen,
        layers=(RIGHT, WRONG) if first else (RIGHT,),
    )


@pytest.fixture
def printed(capsys):
    def run(*found: ProgramErrors) -> str:
        print_located(found, Path("artifacts/located.png"))
        return capsys.readouterr().out

    return run


def test_a_wrong_layer_stands_with_its_error_and_the_drop(printed):
    text = printed(errors(WRONG))
    (row,) = [line for line in text.splitlines() if "tflite mask_decoder" in line]
    assert "mask_decoder.pointer.layers.1 (linear_51)" in row
    assert "or later" not in row
    for figure in ("20.2", "131.0", "110.8", "20.5", "100"):
        assert figure in row
    assert "plot: artifacts/located.png" in text
    assert "its own kernels" in text


def test_a_layer_that_is_not_seen_itself_is_said_to_be_the_first_possible(printed):
    assert "(linear_51) or later" in printed(errors(WRONG, seen=False))


def test_where_all_is_ordinary_there_is_no_layer_and_no_complaint(printed):
    text = printed(errors())
    assert "none" in text
    assert "although" not in text
    assert "kernels are wrong" not in text


def test_a_choice_that_rounding_turned_is_told_with_where_the_error_grew(printed):
    text = " ".join(printed(errors(output_db=9.0)).split())
    assert "its outputs are at 9.0 dB although no layer exceeds the threshold by itself" in text
    assert "mask_decoder.iou_head.layers.0 (linear), from 133.0 to 131.0 dB" in text


def test_a_runtime_at_fault_is_told(printed):
    assert "the runtime's own fusions or kernels are wrong" in printed(errors(runtimes_db=31.0))


def test_a_program_that_there_is_not(run, assert_refused, tmp_path, write_card):
    folder = tmp_path / "artifacts"
    folder.mkdir()
    write_card(folder, next(iter(TARGETS)), "tinysam2.pte")
    result = run("validate", folder, "--locate", "decoder")
    assert_refused(result, "decoder", "mask_decoder")
