"""What the command line says of objects becomes prompts; a clip may bring its own first mask."""

import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.clips import open_clip
from tinysam2.data.prompts import Box, Point
from tinysam2.inputs.prompts import GivenPrompts, first_mask_of


def test_points_and_a_box_are_of_object_one(clip):
    prompts = GivenPrompts(((40.0, 30.0), (5.0, 5.0, 0.0)), (1.0, 2.0, 30.0, 40.0)).read(open_clip(clip))
    assert list(prompts) == [1]
    assert prompts[1].points == (Point(40, 30), Point(5, 5, positive=False))
    assert prompts[1].box == Box(1, 2, 30, 40)


def test_each_id_of_a_mask_is_an_object(clip, pond):
    prompts = GivenPrompts(mask=clip / "masks/00000.png").read(open_clip(clip))
    assert list(prompts) == [1, 2]
    for object_id, prompt in prompts.items():
        assert (prompt.mask == (pond.masks[0] == object_id)).all()


def test_a_clip_laid_out_as_davis_is_brings_its_first_mask(clip):
    assert first_mask_of(clip) == clip / "masks/00000.png"
    assert first_mask_of(clip / "frames") == clip / "masks/00000.png"


def test_real_clips_bring_theirs(shared_data):
    first = first_mask_of(shared_data / "davis2016/val/blackswan")
    assert first.name == "00000.png"
    assert list(GivenPrompts(mask=first).read(open_clip(first.parents[1]))) == [1]


def test_a_clip_without_masks_must_be_prompted(video, tmp_path):
    for path in (video, tmp_path):
        with pytest.raises(InputError, match="brings no masks; prompt the object"):
            first_mask_of(path)


def test_a_clip_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match="absent does not exist"):
        first_mask_of(tmp_path / "absent")
