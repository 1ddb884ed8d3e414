"""SA-V: videos with masklets of every fourth frame."""

import json

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.datasets import open_dataset
from tinysam2.data.datasets.sav import read_masklets
from tinysam2.data.overlay import VideoWriter

FRAMES, HEIGHT, WIDTH = 10, 16, 24


# Run lengths of rectangles, by their rows and columns.
EMPTY = "P<"
PERSON = "R1<4000000000000000000000n4"  # 2 to 14, 2 to 14
HAND = "T24<00000l7"  # 4 to 8, 4 to 8
BALL = "T94<00000l0"  # 4 to 8, 18 to 22
HALF = "T16:000000000000000000000l4"  # 4 to 10, 2 to 14


def annotation(masklets, **changes):
    """By frame and masklet: runs; the ids count from 0."""
    return {
        "video_id": "sav_000001",
        "video_frame_count": float(FRAMES),
        "video_height": float(HEIGHT),
        "video_width": float(WIDTH),
        "masklet": [[{"size": [HEIGHT, WIDTH], "counts": counts} for counts in row] for row in masklets],
        "masklet_id": list(range(len(masklets[0]))),
        **changes,
    }


THREE = annotation([[HAND, PERSON, EMPTY], [HAND, PERSON, EMPTY], [HAND, PERSON, BALL]])


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("sav") / "video.mp4"
    with VideoWriter(path, 24) as writer:
        for index in range(FRAMES):
            writer.write(np.full((HEIGHT, WIDTH, 3), 20 * index, np.uint8))
    return path.read_bytes()


@pytest.fixture
def sav(tmp_path, video):
    """Puts one video and its annotations, by kind, into a folder."""

    def put(manual=THREE, auto=None, name="sav_000001", folder=""):
        target = tmp_path / folder
        target.mkdir(exist_ok=True)
        (target / f"{name}.mp4").write_bytes(video)
        for kind, data in (("manual", manual), ("auto", auto)):
            if data is not None:
                (target / f"{name}_{kind}.json").write_text(json.dumps(data))
        return tmp_path

    return put


def test_every_fourth_frame_is_annotated_and_ids_are_one_more_than_masklet_ids(sav):
    [sequence] = open_dataset(sav())
    assert sequence.name == "sav_000001"
    assert sequence.frame_names == tuple(f"{index:05d}" for index in range(FRAMES))
    assert sequence.objects == {1: 0, 2: 0, 3: 8}
    assert [index for index in range(FRAMES) if sequence.ids(index) is not None] == [0, 4, 8]
    assert (sequence.ids(8)[4:8, 18:22] == 3).all()


def test_the_smaller_masklet_lies_on_top_of_the_larger(sav):
    [sequence] = open_dataset(sav())
    ids = sequence.ids(0)
    assert (ids[4:8, 4:8] == 1).all()
    assert (ids == 1).sum() == 16
    assert (ids == 2).sum() == 12 * 12 - 16


def test_which_is_smaller_does_not_change_from_frame_to_frame(sav):
    """The mean counts where a masklet is seen: one that is rarely seen is not small for that."""
    [sequence] = open_dataset(sav(annotation([[HALF, PERSON], [HALF, EMPTY], [HALF, HAND]])))
    assert (sequence.ids(8)[4:8, 4:8] == 1).all()


def test_frames_are_decoded_forward_and_again_from_the_start(sav):
    [sequence] = open_dataset(sav())
    for index in (0, 1, 7, 7, 3, 9):
        frame = sequence.frame(index)
        assert frame.shape == (HEIGHT, WIDTH, 3)
        assert abs(frame.mean() - 20 * index) < 4


def test_manual_masklets_go_before_automatic_ones_which_stand_in_for_them(sav):
    automatic = annotation([[BALL]] * 3)
    sav(auto=automatic)
    first, second = open_dataset(sav(manual=None, auto=automatic, name="sav_000002"))
    assert len(first.objects) == 3
    assert second.objects == {1: 0}


def test_videos_in_folders_below_are_read_too(sav):
    sav(folder="sav_000")
    assert [s.name for s in open_dataset(sav(name="sav_000101", folder="sav_001"))] == ["sav_000001", "sav_000101"]


def test_a_video_without_annotation_and_the_other_way_round_are_refused(sav):
    folder = sav()
    (folder / "sav_000002.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"sav_000002\.mp4 has no sav_000002_manual\.json or sav_000002_auto\.json"):
        open_dataset(folder)
    (folder / "sav_000002.mp4").unlink()
    (folder / "sav_000001.mp4").unlink()
    with pytest.raises(InputError, match=r"sav_000001_manual\.json has no video sav_000001\.mp4 beside it"):
        open_dataset(folder)


def test_two_videos_of_one_name_are_refused(sav):
    sav(folder="a")
    with pytest.raises(InputError, match="have one name"):
        open_dataset(sav(folder="b"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "is not a whole annotation file"),
        ([], "is not a whole annotation file"),
        (annotation([[]]), "holds no masklet"),
        (annotation([[BALL], [BALL, BALL]]), "names 1 masklets, but not every frame has as many"),
        (annotation([[BALL]] * 4), "masks of 4 frames, but a video of 10 frames has at most 3"),
        (
            annotation([[BALL, HAND]], masklet_id=[0, 254]),
            r"masklet ids \[0, 254\]; each must be its own, from 0 to 253",
        ),
        (annotation([[BALL, HAND]], masklet_id=[3, 3]), "each must be its own"),
        (annotation([[BALL]], video_height=8.0), "is of a video of 24x8, but has masks of another size"),
        (annotation([[BALL], [BALL[:-1]]]), r"masklet 0 in frame 4 of .*_manual\.json is damaged"),
        (annotation([[EMPTY]]), "the sequence sav_000001 has no object"),
        (annotation([[BALL]], masklet=[[{"size": [HEIGHT, WIDTH], "counts": [3, 4]}]]), "not a compressed string"),
    ],
)
def test_a_broken_annotation_is_refused_by_name(sav, data, words):
    [sequence] = open_dataset(sav(data))
    with pytest.raises(InputError, match=words):
        _ = sequence.objects


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"video_frame_count": 12.0}, "has 10 frames, but sav_000001_manual.json is of 12"),
        ({"video_height": 8.0, "video_width": 48.0}, "is 24x16, but its masks in sav_000001_manual.json are 48x8"),
    ],
)
def test_a_video_that_its_annotation_is_not_of_is_refused(sav, changes, words):
    data = annotation([[BALL]], **changes)
    size = [int(data["video_height"]), int(data["video_width"])]
    data["masklet"] = [[{"size": size, "counts": BALL}]]
    [sequence] = open_dataset(sav(data))
    with pytest.raises(InputError, match=words):
        sequence.frame(0)


def test_a_damaged_video_is_refused_by_name(sav):
    folder = sav()
    (folder / "sav_000001.mp4").write_bytes((folder / "sav_000001.mp4").read_bytes()[:200])
    [sequence] = open_dataset(folder)
    with pytest.raises(InputError, match=r"sav_000001\.mp4"):
        sequence.frame(0)


def test_a_real_annotation_file_says_of_its_masks_what_is_in_them(shared_data):
    path = shared_data / "sav-example/sav_000001_manual.json"
    told, masklets = json.loads(path.read_text()), read_masklets(path)
    painted = [masklets.painted(row) for row in range(0, len(masklets.runs), 10)]
    assert {i for ids in painted for i in np.unique(ids).tolist()} == {0, 1, 2, 3, 4, 5}
    largest_first = np.argsort(told["masklet_size_abs"])[::-1]
    assert masklets.order == largest_first.tolist()
    assert len(masklets.runs) == told["masklet_frame_count"][0]


def test_whether_a_frame_is_annotated_is_told_without_decoding_a_mask_or_a_frame(sav, monkeypatch):
    monkeypatch.setattr("tinysam2.data.datasets.sav.decode_rle", None)
    monkeypatch.setattr("tinysam2.data.datasets.sav.open_video", None)
    [sequence] = open_dataset(sav())
    assert [index for index in range(FRAMES) if sequence.is_annotated(index)] == [0, 4, 8]


def test_the_sequences_of_a_data_set_share_their_decoded_frames(sav):
    sav()
    first, second = open_dataset(sav(name="sav_000002"))
    assert first._decoded is second._decoded
