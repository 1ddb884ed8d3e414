"""A file of prompts: what it says of each frame, and what it may not say."""

import json

import numpy as np
import pytest
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.data.clips import Clip
from tinysam2.data.masks import write_mask
from tinysam2.data.prompts import Box, Point
from tinysam2.data.prompts_file import prompts_by_frame, read_prompts_file

CLICK = {"frame": 0, "object": 1, "points": [[40, 30]]}
CLIP = Clip("pond", 96, 72, 24.0, 4, lambda: iter(()))


@pytest.fixture
def write(tmp_path):
    """Writes data as a file of prompts, text as it is; its path."""

    def put(data):
        path = tmp_path / "prompts.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return path

    return put


def changed(**changes):
    return [{**CLICK, **changes}]


def only(**given):
    return [{"frame": 0, "object": 1, **given}]


def test_each_frame_has_its_prompts_and_removals_whatever_the_order_of_entries(write):
    entries = read_prompts_file(
        write(
            [
                {"frame": 3, "object": 1, "remove": True},
                {"frame": 2, "object": 7, "box": [1, 2, 30, 40], "points": [[5, 6, 0]]},
                CLICK,
            ]
        )
    )
    by_frame = prompts_by_frame(entries, CLIP)
    assert list(by_frame) == [0, 2, 3]
    assert by_frame[0].prompts[1].points == (Point(40, 30),)
    assert by_frame[2].prompts[7].points == (Point(5, 6, positive=False),)
    assert by_frame[2].prompts[7].box == Box(1, 2, 30, 40)
    assert (by_frame[3].prompts, by_frame[3].removed) == ({}, (1,))


def test_a_masks_path_is_relative_to_the_file_and_its_pixels_are_those_of_the_objects_id(write, tmp_path):
    ids = np.zeros((72, 96), np.uint8)
    ids[10:20, 10:20], ids[30:40, 30:40] = 1, 2
    write_mask(tmp_path / "masks/a.png", ids)
    entries = read_prompts_file(write([{"frame": 1, "object": 2, "mask": "masks/a.png"}]))
    assert (prompts_by_frame(entries, CLIP)[1].prompts[2].mask == (ids == 2)).all()


def test_a_mask_of_a_single_id_is_the_objects_whatever_that_id(write, tmp_path):
    white = np.zeros((72, 96), np.uint8)
    white[10:20, 10:20] = 255
    Image.fromarray(white).save(tmp_path / "white.png")
    entries = read_prompts_file(write([{"frame": 0, "object": 5, "mask": "white.png"}]))
    assert (prompts_by_frame(entries, CLIP)[0].prompts[5].mask == (white > 0)).all()


def test_an_object_that_was_removed_may_begin_anew(write):
    removal = {"frame": 1, "object": 1, "remove": True}
    assert len(read_prompts_file(write([CLICK, removal, {**CLICK, "frame": 2}]))) == 3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("[", "cannot be read as JSON; name a JSON file"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("{}", "hold no list of prompts; write"),
        ("[]", "at least one entry"),
        ("[3]", r"prompts\.json, entry 1 is not an object; write"),
        ([CLICK, {**CLICK, "colour": 1}], r"entry 2 has an unknown key 'colour'; the keys are frame, object, points"),
        ([{"object": 1, "points": [[1, 2]]}], "entry 1 has no frame; give a whole number, 0 or more"),
        ([{"frame": 1, "points": [[1, 2]]}], "entry 1 has no object; give a whole number from 1 to 255"),
        (changed(frame=-1), "frame is -1; it must be a whole number, 0 or more"),
        (changed(frame=True), "frame is True; it must be a whole number"),
        (changed(frame=1.5), "frame is 1.5; it must be a whole number"),
        (changed(object=0), "object is 0; it must be a whole number from 1 to 255"),
        (changed(object=256), "object is 256; it must be"),
        (only(), "entry 1 says nothing of its object; give points, box or both, or mask alone, or remove alone"),
        (changed(mask="m.png"), "entry 1 has points and mask; give points, box or both"),
        (changed(remove=True), "entry 1 has points and remove; give"),
        (only(remove=False), "remove is False; write true, or leave it out"),
        (only(mask=3), "mask is 3; name a PNG file, relative to the file of prompts"),
        (only(mask=""), "name a PNG file"),
        (only(points=[]), r"points is \[\]; give a list of \[x, y\] or \[x, y, 0 or 1\]"),
        (only(points=[40, 30]), r"point is 40; give \[x, y or x, y, 0 or 1\] in pixels"),
        (only(points=[["a", 30]]), r"point is \['a', 30\]; give"),
        ('[{"frame": 0, "object": 1, "points": [[NaN, 3]]}]', "cannot be read as JSON"),
        (only(points=[[10**400, 30]]), "number of 401 digits; give pixels"),
        (only(points=[[40, 30, 2]]), "has the sign 2; it must be 1 .object. or 0"),
        (only(box=[1, 2, 3]), r"box is \[1, 2, 3\]; give \[left, top, right, bottom\] in pixels"),
        ([CLICK, CLICK], "entry 2 is of object 1 on frame 0, as another entry is; say everything"),
        (only(remove=True), "entry 1 removes object 1 on frame 0, where it is not tracked; remove it after a frame"),
    ],
)
def test_a_wrong_file_is_refused_with_its_entry(write, data, words):
    with pytest.raises(InputError, match=words):
        read_prompts_file(write(data))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json do not exist; name a JSON file"):
        read_prompts_file(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(frame=4), "entry 1 is of frame 4, but pond has 4 frames; name a frame from 0 to 3"),
        (changed(points=[[96, 30]]), "entry 1: point 96,30 lies outside the frame, which is 96x72"),
        (only(box=[30, 2, 30, 40]), "entry 1: box 30,2,30,40 is empty"),
        (only(mask="absent.png"), r"entry 1: the mask .*absent\.png does not exist"),
        ([{"frame": 0, "object": 3, "mask": "two.png"}], r"two\.png holds the objects 1, 2, but not 3; mark"),
    ],
)
def test_a_prompt_that_does_not_fit_the_clip_is_refused_with_its_entry(write, tmp_path, data, words):
    ids = np.zeros((72, 96), np.uint8)
    ids[0], ids[1] = 1, 2
    write_mask(tmp_path / "two.png", ids)
    with pytest.raises(InputError, match=words):
        prompts_by_frame(read_prompts_file(write(data)), CLIP)
