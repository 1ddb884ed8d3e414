"""Apple's runtime held against the interpreter. It is a stand-in here: the real one needs macOS."""

import numpy as np
import pytest

from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.core.errors import InputError
from tinysam2.data.prompts import prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.validation.parity.coreml_runtimes import compare_runtimes
from tinysam2.validation.parity.scenes import scene_of_clip

pytest.importorskip("coremltools")


@pytest.fixture
def compared(coreml_stand_ins, as_clip, monkeypatch):
    """The comparison over two frames, on a Mac whose MLModel's outputs are off by a factor."""
    import coremltools

    from tinysam2.mobile_runtime.mil import MILProgram

    def compare(factor):
        class FakeMLModel:
            def __init__(self, path):
                self.program = MILProgram.load(path)

            def predict(self, inputs):
                return {name: factor * value for name, value in self.program.run(**inputs).items()}

        monkeypatch.setattr("platform.system", lambda: "Darwin")
        monkeypatch.setattr(coremltools.models, "MLModel", FakeMLModel)
        clip = render_sample_clip(2, (96, 72))
        return compare_runtimes(coreml_stand_ins, scene_of_clip(as_clip(clip), prompts_of_mask(clip.masks[0])))

    return compare


def test_runtimes_that_give_the_same_numbers_agree_in_everything(compared):
    result = compared(np.float32(1))
    assert {parity.program for parity in result.programs} == {
        IMAGE_ENCODER, MEMORY_ATTENTION, MASK_DECODER, MEMORY_ENCODER,
    }  # fmt: skip
    assert {tensor.max_abs_error for parity in result.programs for tensor in parity.tensors} == {0.0}
    [played] = result.chain.clips
    assert played.iou_by_frame == (1.0, 1.0)


def test_an_error_of_a_thousandth_is_60_db_in_every_program(compared):
    for parity in compared(np.float32(1.001)).programs:
        assert parity.sqnr_db == pytest.approx(60, abs=0.1)


def test_elsewhere_than_on_macos_there_is_nothing_to_compare(coreml_stand_ins, as_clip, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    clip = render_sample_clip(1, (96, 72))
    with pytest.raises(InputError, match="Apple's Core ML runtime is on macOS only"):
        compare_runtimes(coreml_stand_ins, scene_of_clip(as_clip(clip), prompts_of_mask(clip.masks[0])))
