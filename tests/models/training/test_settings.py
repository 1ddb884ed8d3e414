"""A training run that cannot be made names its field, and its schedule covers every step."""

import math
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinysam2.models.training.settings import CURRICULUM, Augmentation, LossWeights, PromptMix, Stage, TrainingSettings

NAN, INF = float("nan"), float("inf")
SETTINGS = TrainingSettings()


@pytest.mark.parametrize(
    ("sound", "field", "value", "valid"),
    [
        *((SETTINGS, field, 0, "at least 1") for field in ("steps", "batch_frames", "parts")),
        *((SETTINGS, field, 0, "at least 1") for field in ("checkpoint_every", "validate_every")),
        *((SETTINGS, field, -1, "at least 0") for field in ("seed", "warmup")),
        *((SETTINGS, "learning_rate", value, "above 0, and finite") for value in (0.0, -1e-3, INF, NAN)),
        *((SETTINGS, "gradient_norm", value, "above 0, and finite") for value in (0.0, INF)),
        *((SETTINGS, "weight_decay", value, "at least 0, and finite") for value in (-0.1, INF, NAN)),
        *((SETTINGS, "ema", value, "in [0, 1)") for value in (-0.1, 1.0, NAN)),
        *((SETTINGS, "final_rate", value, "a share, 0 to 1") for value in (-0.1, 1.1)),
        (SETTINGS, "curriculum", (), "stages whose shares come to 1"),
        (SETTINGS, "curriculum", CURRICULUM[:2], "stages whose shares come to 1"),
        (SETTINGS, "batch_frames", 5, "enough for clips of 3 frames, 2 parts of equally many"),
        (SETTINGS, "batch_frames", 20, "enough for clips of 4 frames, 2 parts of equally many"),
        *((PromptMix(), field, value, "a share, 0 to 1") for field in ("mask", "box") for value in (-0.1, 1.1, NAN)),
        (PromptMix(), "mask", 0.95, "at most 1 together with box"),
        (CURRICULUM[0], "frames", 1, "at least 2: a prompted frame and one to track"),
        *((CURRICULUM[0], field, 1.1, "a share, 0 to 1") for field in ("share", "real")),
        *((Augmentation(), field, -0.1, "a share, 0 to 1") for field in Augmentation.__dataclass_fields__),
        *(
            (LossWeights(), field, value, "at least 0, and finite")
            for field in LossWeights.__dataclass_fields__
            if field not in ("all_masks", "focal_alpha")
            for value in (-1.0, INF, NAN)
        ),
        (LossWeights(), "all_masks", 1.5, "a share, 0 to 1"),
    ],
)
def test_settings_that_cannot_be_run_name_the_field_and_what_is_valid(sound, field, value, valid):
    with pytest.raises(ValueError, match=field) as refusal:
        replace(sound, **{field: value})
    assert str(refusal.value) == f"{type(sound).__name__}.{field} is {value!r}; it must be {valid}"


def test_prompts_may_all_be_masks_or_boxes():
    assert PromptMix(mask=0.9, box=0.1).box == 0.1


@hypothesis.settings(deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.integers(1, 2000),
)
def test_every_step_belongs_to_a_stage_and_each_stage_has_its_share_in_turn(weights, steps):
    stages = tuple(Stage(weight / sum(weights), 2 + number, 0.5) for number, weight in enumerate(weights))
    settings = TrainingSettings(steps, batch_frames=2 * 60, parts=1, curriculum=stages)
    numbers = [settings.stage(step).frames - 2 for step in range(steps)]
    assert numbers == sorted(numbers)
    for number, stage in enumerate(stages):
        assert abs(numbers.count(number) - stage.share * steps) <= 1 + 1e-6


def test_a_batch_has_about_as_many_frames_in_each_stage():
    settings = TrainingSettings(100, batch_frames=24)
    assert [settings.clips(step) for step in (0, 30, 80, 99)] == [8, 6, 4, 4]


def test_the_rate_rises_evenly_to_its_peak_and_falls_by_a_cosine():
    settings = TrainingSettings(110, learning_rate=1.0, warmup=10, final_rate=0.1)
    assert [settings.rate(step) for step in range(11)] == pytest.approx([*(n / 10 for n in range(1, 11)), 1.0])
    assert settings.rate(60) == pytest.approx(0.55)
    assert settings.rate(35) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert settings.rate(110) == pytest.approx(0.1)


@hypothesis.settings(deadline=None, derandomize=True)
@given(st.integers(1, 500), st.integers(0, 600), st.floats(0.0, 1.0))
def test_the_rate_never_exceeds_its_peak_and_falls_only_after_the_warmup(steps, warmup, final_rate):
    settings = TrainingSettings(steps, learning_rate=2.0, warmup=warmup, final_rate=final_rate)
    rates = [settings.rate(step) for step in range(steps)]
    rising, falling = rates[:warmup], rates[warmup:]
    assert all(0.0 < rate <= 2.0 for rate in rising)
    assert all(2.0 * final_rate - 1e-9 <= rate <= 2.0 for rate in falling)
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
