"""The frame contract as data says what the code does, for every preset."""

import json

import pytest

from tinysam2.core.config import PRESETS, preset
from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, program_contract
from tinysam2.core.frame_contract import YUV_CONVERSIONS, frame_section

SECTIONS = ("image", "video", "points", "mask_prompt", "mask", "ids")


@pytest.mark.parametrize("name", PRESETS)
def test_sizes_are_those_of_the_programs_tensors(name):
    config = preset(name)
    section, contract = frame_section(config), program_contract(config)
    [image] = contract[IMAGE_ENCODER].inputs
    shapes = {spec.name: spec.shape for spec in (*contract[MASK_DECODER].inputs, *contract[MASK_DECODER].outputs)}
    assert tuple(section) == SECTIONS
    assert image.shape == (1, 3, section["image"]["height"], section["image"]["width"])
    assert shapes["mask_prompt"][2:] == (section["mask_prompt"]["height"], section["mask_prompt"]["width"])
    assert shapes["mask_logits"][2:] == (section["mask"]["height"], section["mask"]["width"])
    assert shapes["point_coords"][1] == section["points"]["most"]


def test_it_is_json_and_whole():
    section = frame_section(preset("nano"))
    assert json.loads(json.dumps(section)) == section


def test_every_yuv_conversion_is_told_and_the_default_is_one_of_them():
    video = frame_section(preset("nano"))["video"]
    assert list(video["conversions"]) == list(YUV_CONVERSIONS)
    assert video["default"] in video["conversions"]
