"""The page that other languages follow says what the code does: its worked vectors and its table of coefficients."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tinysam2.core.frame_contract import BOX, YUV_CONVERSIONS
from tinysam2.data.preprocessing import frame_logits
from tinysam2.data.resampling import resize_image, resize_values, taps
from tinysam2.data.yuv import rgb_of_yuv420

PAGE = (Path(__file__).resolve().parents[3] / "docs/frame-contract.md").read_text(encoding="utf-8")
[BLOCK] = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
VECTORS = json.loads(BLOCK)


def vectors(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", [vector for vector in VECTORS if vector["kind"] == kind])


def bytes_of(vector: dict, name: str) -> np.ndarray:
    return np.array(vector[name], np.uint8)


def test_every_kind_of_vector_is_worked():
    assert {vector["kind"] for vector in VECTORS} == {"taps", "image", "mask_prompt", "mask", "yuv420"}


@vectors("taps")
def test_taps(vector):
    found = taps(vector["size"], vector["wanted"], vector["filter"])
    assert found.first.tolist() == vector["first"]
    assert found.coefficients.tolist() == vector["coefficients"]


@vectors("image")
def test_image(vector):
    image = bytes_of(vector, "input")[..., None]
    assert resize_image(image, vector["width"], vector["height"])[..., 0].tolist() == vector["output"]


@vectors("mask_prompt")
def test_mask_prompt(vector):
    mask = np.array(vector["input"], np.float32)
    assert resize_values(mask, vector["width"], vector["height"], BOX).tolist() == vector["output"]


@vectors("mask")
def test_mask(vector):
    logits = frame_logits(np.array(vector["input"], np.float32)[None, None], vector["width"], vector["height"])
    assert logits.tolist() == vector["logits"]
    assert (logits > 0).astype(int).tolist() == vector["output"]


@vectors("yuv420")
def test_yuv(vector):
    planes = (bytes_of(vector, name) for name in "yuv")
    assert rgb_of_yuv420(*planes, vector["conversion"]).tolist() == vector["output"]


def test_the_table_of_yuv_coefficients_is_the_codes():
    rows = re.findall(r"^\| (bt\w+-\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    names = ("luma_offset", "luma", "red_v", "green_u", "green_v", "blue_u")
    written = {name: dict(zip(names, map(int, cells.split(" | ")), strict=True)) for name, cells in rows}
    assert written == {name: {key: how[key] for key in names} for name, how in YUV_CONVERSIONS.items()}
