"""Time and memory of tracking, against frames, objects, image size and tokens."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice

from benchmarks.frame.contenders import OURS, Calls, Setting, contender
from benchmarks.frame.memory import peak_memory
from benchmarks.frame.programs import own_model
from benchmarks.frame.timing import Clock, Spread, summed
from benchmarks.growth.fitting import exponent, line
from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.core.targets import TORCH, target
from tinysam2.data.prompts import Prompt, prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.quantization.recipe import PROGRAMS
from tinysam2.validation.memory.measured import can_measure, settled_bytes

CLIP_FRAMES = 12

SETTLED = 20
"""Frames after which the bank is full and every buffer is there."""

READINGS = 20
"""Points that a long run is cut into."""

Progress = Callable[[str], None]

InTurn = Callable[[Mapping], dict]
"""`in_turn` with its rounds and its clock."""


@dataclass(frozen=True)
class Point:
    """One size. x: the size. seconds: by program, and of the frame. peak_memory_bytes: in a fresh process."""

    x: float
    seconds: Mapping[str, Spread]
    peak_memory_bytes: int | None


def backend_of(setting: Setting) -> Backend:
    """The model in its runtime, as an app runs it."""
    if setting.runtime == TORCH:
        return TorchBackend(own_model(setting.config, setting.precision, setting.checkpoint).model)
    contender(OURS, setting)
    return load_artifacts(target(setting.runtime), setting.folder / setting.config.name / setting.precision)


def over_frames(tracker: Tracker, frames: int, progress: Callable[[int], None], clock: Clock) -> dict:
    """Seconds and resident bytes along a video of one object, with lines through them.

    Points are medians over equally many frames behind the first `SETTLED`. Raises ValueError where there are fewer than
    two frames a point.
    """
    if frames < SETTLED + 2 * READINGS:
        raise ValueError(f"frames is {frames}; it must be at least {SETTLED + 2 * READINGS}")
    clip = render_sample_clip(CLIP_FRAMES, objects=1)
    prompts: Mapping[int, Prompt] | None = prompts_of_mask(clip.masks[0])
    a_point = (frames - SETTLED) // READINGS
    spent: list[float] = []
    held: list[int] = []
    for number, frame in enumerate(islice(cycle(clip.frames), SETTLED + READINGS * a_point), start=1):
        began = clock()
        tracker.track(frame, prompts)
        spent.append(clock() - began)
        prompts = None
        if number > SETTLED and (number - SETTLED) % a_point == 0 and can_measure():
            held.append(settled_bytes())
        progress(number)
    at = [SETTLED + a_point * (index + 1) for index in range(READINGS)]
    medians = [Spread.of(spent[end - a_point : end]).median for end in at]
    return {
        "frames": at,
        "seconds": medians,
        "resident_bytes": held,
        "seconds_line": asdict(line(at, medians)),
        "bytes_line": asdict(line(at, held)) if held else None,
        "bank_bytes": tracker.bank_bytes,
    }


def over_objects(backend: Backend, counts: Sequence[int], run: InTurn) -> dict:
    """Seconds of a frame against the number of objects, in turn, with a line and the image encoder beside it."""
    clip = render_sample_clip(CLIP_FRAMES, objects=1)
    [prompt] = prompts_of_mask(clip.masks[0]).values()
    trackers = {}
    for count in counts:
        trackers[count] = Tracker(backend)
        trackers[count].track(clip.frames[0], {number + 1: prompt for number in range(count)})
    image = next(iter(trackers.values())).preprocessor.image_tensor(clip.frames[1])
    calls: dict[object, Callable[[], object]] = {
        count: functools.partial(tracker.track, clip.frames[1]) for count, tracker in trackers.items()
    }
    calls[IMAGE_ENCODER] = lambda: backend.run(IMAGE_ENCODER, {"image": image})
    taken = run(calls)
    spreads = {key: Spread.of(list(rounds_of.values())) for key, rounds_of in taken.items()}
    medians = [spreads[count].median for count in counts]
    return {
        "objects": list(counts),
        "seconds": {str(key): asdict(spread) for key, spread in spreads.items()},
        "seconds_line": asdict(line(counts, medians)),
        "bank_bytes": [tracker.bank_bytes for tracker in trackers.values()],
    }


def over_sizes(points: Sequence[Point]) -> dict:
    """The points' seconds and bytes, and the powers of x that they grow with."""
    xs = [point.x for point in points]
    bytes_held = [point.peak_memory_bytes for point in points]
    return {
        "x": xs,
        "seconds": {part: [asdict(point.seconds[part]) for point in points] for part in (*PROGRAMS, "frame")},
        "peak_memory_bytes": bytes_held,
        "exponents": {
            **{part: exponent(xs, [point.seconds[part].median for point in points]) for part in (*PROGRAMS, "frame")},
            "peak_memory": None if None in bytes_held else exponent(xs, [float(size or 0) for size in bytes_held]),
        },
    }


def measured_points(sizes: Mapping[float, Setting], run: InTurn, progress: Progress) -> list[Point]:
    """A point a setting, all of them run in turn."""
    contenders, calls = {}, {}
    for x, setting in sizes.items():
        progress(f"preparing {setting.config.name}")
        contenders[x] = contender(OURS, setting)
        of_size: Calls = contenders[x].calls
        calls |= {(x, program): of_size[program] for program in PROGRAMS}
    progress("measuring")
    taken = run(calls)
    points = []
    for x, setting in sizes.items():
        progress(f"measuring the memory of {setting.config.name}")
        by_program = {program: taken[x, program] for program in PROGRAMS}
        by_program["frame"] = summed(list(by_program.values()))
        seconds = {part: Spread.of(list(of.values())) for part, of in by_program.items()}
        points.append(Point(x, seconds, peak_memory(contenders[x], setting, {})))
    return points


def at_size(config: ModelConfig, size: int) -> ModelConfig:
    """The same model for images of another size, its memory the same share of dense memory."""
    kept = config.bank.tokens_per_frame
    scaled = None if kept is None else max(1, round(kept * (size / config.image_size) ** 2))
    bank = replace(config.bank, tokens_per_frame=scaled)
    return replace(config, name=f"{config.name}-{size}px", image_size=size, bank=bank)


def with_tokens(config: ModelConfig, tokens: int) -> ModelConfig:
    """The same model with another number of tokens for every frame but the conditioning one."""
    bank = replace(config.bank, tokens_per_frame=tokens)
    return replace(config, name=f"{config.name}-{tokens}-tokens", bank=bank)
