"""A clip streams its frames from a video or a folder, and bad input is refused in one sentence."""

import itertools
import resource
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.data.clips import natural_order, open_clip
from tinysam2.data.video import open_video


@pytest.fixture
def folder(tmp_path):
    """Three frames whose natural order differs from their alphabetical one."""
    path = tmp_path / "walk"
    path.mkdir()
    for name, value in (("frame10.png", 30), ("frame2.PNG", 20), ("frame1.jpg", 10)):
        Image.new("RGB", (6, 4), (value,) * 3).save(path / name)
    return path


def refusal(path) -> str:
    """The sentence with which opening or reading a clip is refused."""
    with pytest.raises(InputError) as caught:
        for _ in open_clip(path):
            pass
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


# Videos


def test_a_video_is_described_and_yields_its_frames_in_order(make_video):
    clip = open_clip(make_video("walk.mp4", frames=30, size=(64, 48), rate=25))
    assert (clip.name, clip.width, clip.height) == ("walk", 64, 48)
    assert (clip.frames_per_second, clip.frame_count) == (25.0, 30)
    frames = list(clip)
    assert {(f.shape, f.dtype.name) for f in frames} == {((48, 64, 3), "uint8")}
    np.testing.assert_allclose([f.mean() for f in frames], 5 * np.arange(30), atol=4)


def test_each_iteration_starts_from_the_first_frame(make_video):
    clip = open_clip(str(make_video()))
    first, second = iter(clip), iter(clip)
    next(first)
    np.testing.assert_array_equal(next(first), list(itertools.islice(second, 2))[1])
    assert len(list(clip)) == len(list(clip)) == 30


def test_colours_are_rgb(make_video):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 250
    frame = next(iter(open_clip(make_video(frames=[red]))))
    assert np.abs(frame.astype(int) - (250, 0, 0)).max() <= 6


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mov", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")],
)
def test_other_containers_and_codecs_are_read(make_video, name, codec):
    clip = open_clip(make_video(name, frames=12, codec=codec))
    assert len(list(clip)) == 12
    assert clip.frame_count in (12, None)


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1))])
def test_a_video_filmed_sideways_is_turned_upright(make_video, rotation, corner):
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:16, :16] = 255
    clip = open_clip(make_video(frames=[frame] * 3, rotation=rotation))
    upright = next(iter(clip))
    assert upright.shape == (clip.height, clip.width, 3) == ((48, 64, 3) if rotation in (0, 180) else (64, 48, 3))
    assert upright.flags.c_contiguous
    row, column = ((8 if side == 0 else -8) for side in corner)
    assert upright[row, column].min() > 200
    assert (upright.mean(axis=-1) > 128).mean() == pytest.approx(16 * 16 / (48 * 64), abs=0.01)


def test_a_trimmed_recording_is_whole_though_it_shows_fewer_frames_than_it_holds(make_video, trim):
    path = make_video(frames=30, rate=25, b_frames=0)
    trim(path, ticks=10 * 512)
    clip = open_clip(path)
    shown = list(clip)
    assert clip.frame_count == len(shown) == 20
    assert shown[0].mean() == pytest.approx(50, abs=4)


def test_a_long_video_is_read_in_constant_memory(make_video):
    clip = open_clip(make_video(frames=[np.zeros((240, 320, 3), np.uint8)] * 300))
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in clip) == 300
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 320 * 240 * 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_a_missing_path_is_refused(tmp_path):
    assert refusal(tmp_path / "none.mp4").endswith("does not exist; name a video file or a folder of frames")


def test_a_device_is_refused():
    assert "is a device or a pipe" in refusal("/dev/null")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert "is an empty file" in refusal(tmp_path / "empty.mp4")


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4", "data.json", "notes.nfo"])
def test_a_text_file_is_refused(tmp_path, name):
    (tmp_path / name).write_text("these are words, not pictures\n" * 200)
    assert "name a" in refusal(tmp_path / name)


def test_random_bytes_are_refused(tmp_path):
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20_000))
    assert "is not a video that can be read" in refusal(tmp_path / "noise.mp4")


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.bmp"])
def test_a_single_picture_is_refused(tmp_path, name):
    Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert "is a single picture" in refusal(tmp_path / name)


def test_a_recording_without_a_picture_is_refused(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    assert "has no video stream" in refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_file_without_its_index_is_refused_when_opened(make_video, share):
    path = make_video()
    contents = path.read_bytes()
    path.write_bytes(contents[: int(share * len(contents))])
    with pytest.raises(InputError, match="cut short"):
        open_clip(path)


@pytest.mark.parametrize("missing", [1, 200, 4000])
def test_a_cut_file_with_its_index_in_front_is_refused_when_opened(make_video, missing):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3)).astype(np.uint8)
    path = make_video(frames=list(noise), movflags="faststart")
    contents = path.read_bytes()
    assert contents.index(b"moov") < contents.index(b"mdat")
    path.write_bytes(contents[:-missing])
    with pytest.raises(InputError, match=r"clip\.mp4 is cut short: it declares 30 frames and holds \d+; name a whole"):
        open_clip(path)


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.mkv", "libx264")])
def test_a_cut_file_of_a_container_that_counts_no_frames_is_refused_by_its_duration(make_video, name, codec):
    path = make_video(name, frames=50, codec=codec)
    contents = path.read_bytes()
    path.write_bytes(contents[: len(contents) // 2])
    with pytest.raises(InputError, match=r"is cut short: it declares 2\.0 s and ends at"):
        open_clip(path)


def test_a_video_whose_frames_cannot_be_decoded_is_refused_when_opened(make_video):
    path = make_video(movflags="faststart")
    contents = path.read_bytes()
    data = contents.index(b"mdat") + 4
    path.write_bytes(contents[:data] + bytes(len(contents) - data))
    with pytest.raises(InputError, match="damaged or cut short"):
        open_clip(path)


def test_a_video_that_is_damaged_further_on_is_refused_when_it_gets_there(make_video):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3)).astype(np.uint8)
    path = make_video(frames=list(noise), movflags="faststart", b_frames=0)
    contents = path.read_bytes()
    middle = (contents.index(b"mdat") + len(contents)) // 2
    path.write_bytes(contents[:middle] + bytes(6000) + contents[middle + 6000 :])
    clip = open_clip(path)
    with pytest.raises(InputError, match=r"frame \d+ of .*clip\.mp4 cannot be decoded"):
        list(clip)


def test_a_video_of_which_fewer_frames_decode_than_it_holds_is_refused_at_its_end(make_video):
    video = replace(open_video(make_video(frames=5)), frame_count=6)
    frames = video.read_frames()
    assert len(list(itertools.islice(frames, 5))) == 5
    with pytest.raises(InputError, match=r"clip\.mp4 is damaged: only 5 of its 6 frames can be decoded"):
        next(frames)


def test_a_fragmented_recording_is_whole(make_video):
    for flags in ("frag_keyframe+empty_moov", "frag_keyframe"):
        clip = open_clip(make_video(frames=30, movflags=flags, gop=10))
        assert len(list(clip)) == 30
        assert clip.frame_count in (30, None)


def test_a_video_that_changes_size_is_refused_at_that_frame(tmp_path):
    path = tmp_path / "resized.ts"
    parts = []
    for index, size in enumerate([(64, 48), (96, 48)]):
        with av.open(str(tmp_path / f"{index}.ts"), "w", format="mpegts") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            for _ in range(5):
                picture = np.zeros((size[1], size[0], 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        parts.append((tmp_path / f"{index}.ts").read_bytes())
    path.write_bytes(b"".join(parts))
    assert f"frame 5 of {path} is 96x48, but the first is 64x48" in refusal(path)


# Folders


def test_a_folder_is_described_and_yields_its_frames_in_natural_order(folder):
    clip = open_clip(folder)
    assert (clip.name, clip.width, clip.height) == ("walk", 6, 4)
    assert (clip.frames_per_second, clip.frame_count) == (24.0, 3)
    assert [round(f.mean()) for f in clip] == [10, 20, 30]
    assert {(f.shape, f.dtype.name) for f in clip} == {((4, 6, 3), "uint8")}


@given(numbers=st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_the_order_of_the_numbers(numbers):
    names = [Path(f"frame_{number}.png") for number in numbers]
    assert sorted(names, key=natural_order) == [Path(f"frame_{number}.png") for number in sorted(numbers)]


@given(names=st.lists(st.text("aB0129._-²", min_size=1), unique=True))
def test_natural_order_is_total(names):
    paths = [Path("x" + name) for name in names]
    backwards = paths[::-1]
    assert sorted(paths, key=natural_order) == sorted(backwards, key=natural_order)


def test_a_folder_with_a_frames_subfolder_stands_for_it(folder):
    sequence = folder.parent / "blackswan"
    (sequence / "masks").mkdir(parents=True)
    folder.rename(sequence / "frames")
    clip = open_clip(sequence)
    assert (clip.name, clip.frame_count) == ("blackswan", 3)


def test_other_files_and_hidden_ones_are_passed_over(folder):
    (folder / "notes.txt").touch()
    (folder / "._frame1.jpg").write_bytes(b"resource fork")
    assert open_clip(folder).frame_count == 3


def test_pictures_of_other_modes_become_rgb(tmp_path):
    for index, mode in enumerate(["L", "P", "RGBA", "1"]):
        Image.new(mode, (6, 4)).save(tmp_path / f"{index}.png")
    assert [f.shape for f in open_clip(tmp_path)] == [(4, 6, 3)] * 4


def test_a_folder_without_frames_is_refused(tmp_path):
    assert "holds no frames; put .jpg, .jpeg or .png files in it" in refusal(tmp_path)


def test_the_first_frame_of_another_size_is_named_when_the_folder_is_opened(folder):
    Image.new("RGB", (8, 4)).save(folder / "frame3.png")
    Image.new("RGB", (9, 4)).save(folder / "frame4.png")
    with pytest.raises(InputError, match=r"frame3\.png is 8x4, but frame1\.jpg is 6x4"):
        open_clip(folder)


def test_two_pictures_of_one_frame_are_refused(folder):
    Image.new("L", (6, 4)).save(folder / "frame1.png")
    assert "holds both frame1.jpg and frame1.png" in refusal(folder)


def test_a_sixteen_bit_frame_is_refused(folder):
    Image.new("I;16", (6, 4)).save(folder / "frame3.png")
    with pytest.raises(InputError, match=r"frame3\.png has mode I;16; save it as an 8-bit RGB picture"):
        open_clip(folder)


def test_a_file_that_is_no_picture_is_refused_when_the_folder_is_opened(folder):
    (folder / "frame3.png").write_text("words")
    with pytest.raises(InputError, match=r"frame3\.png is damaged or not a picture"):
        open_clip(folder)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_frame_is_refused_when_it_is_reached(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    for index in range(2):
        Image.fromarray(noise).save(tmp_path / f"{index}.{suffix}")
    contents = (tmp_path / f"1.{suffix}").read_bytes()
    (tmp_path / f"1.{suffix}").write_bytes(contents[: len(contents) // 2])
    frames = iter(open_clip(tmp_path))
    next(frames)
    with pytest.raises(InputError, match=rf"1\.{suffix} is damaged"):
        next(frames)


# Real data, and what is not imported


def test_a_real_video_is_read(shared_data):
    clip = open_clip(shared_data / "clips" / "04_coffee.mp4")
    assert (clip.width, clip.height, clip.frame_count) == (1280, 720, 287)
    assert clip.frames_per_second == pytest.approx(29.97, abs=0.01)
    assert next(iter(clip)).shape == (720, 1280, 3)


def test_a_real_video_cut_in_half_is_refused(shared_data, tmp_path):
    contents = (shared_data / "clips" / "02_hummingbird.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(contents[: len(contents) // 2])
    assert "cut short" in refusal(tmp_path / "half.mp4")


def test_a_davis_sequence_is_read(shared_data):
    clip = open_clip(shared_data / "davis2016" / "val" / "blackswan")
    assert (clip.name, clip.width, clip.height, clip.frame_count) == ("blackswan", 854, 480, 50)


def test_neither_av_nor_torch_is_imported_before_a_video_is_opened():
    program = (
        "import sys, tinysam2.data.clips, tinysam2.data.masks, tinysam2.data.overlay; "
        "print([m for m in ('av', 'torch') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
