"""A student learns a teacher's features and masks; the teacher itself never changes."""

import copy
from dataclasses import replace

import pytest
import torch

from tinysam2.models.training.clips import ClipSampler
from tinysam2.models.training.distillation import Teacher
from tinysam2.models.training.footage import Footage
from tinysam2.models.training.parallel import Execution
from tinysam2.models.training.run_folder import RunFolder
from tinysam2.models.training.settings import PromptMix
from tinysam2.models.training.trainer import train
from tinysam2.models.training.unroll import unroll
from tinysam2.models.weights.checkpoint import seeded_model


@pytest.fixture
def student(small_config):
    return seeded_model(small_config)


@pytest.fixture(scope="module")
def teachers(small_config):
    """Teachers' models by what they have other than the student."""
    configs = {
        "nothing": small_config,
        "wider": replace(small_config, hidden_dim=64),
        "wider in memory": replace(small_config, memory_dim=16),
        "larger": replace(small_config, image_size=128),
        "larger and wider": replace(small_config, hidden_dim=64, image_size=128),
        "smaller": replace(small_config, image_size=32, bank=replace(small_config.bank, tokens_per_frame=1)),
    }
    return {name: seeded_model(config, seed=9) for name, config in configs.items()}


@pytest.fixture(scope="module")
def clips(small_config, short_run, moving_video):
    settings = short_run(clips=3, parts=1, prompts=PromptMix(mask=0.4, box=0.2))
    return ClipSampler(Footage((moving_video(),), 80), settings, small_config)[0][0]


def weights(module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_student_that_is_its_teacher_has_its_features_and_memories(student, clips):
    teacher = Teacher(copy.deepcopy(student), student.config.hidden_dim)
    with torch.no_grad():
        terms = teacher.terms(clips, list(unroll(student, clips)))
    assert terms["features"] == pytest.approx(0, abs=1e-9)
    assert terms["memories"] == pytest.approx(0, abs=1e-9)


def test_no_masks_are_nearer_to_the_teachers_than_its_own(student, clips):
    """The cross-entropy with a probability is least at that probability."""
    teacher = Teacher(copy.deepcopy(student), student.config.hidden_dim)
    with torch.no_grad():
        frames = list(unroll(student, clips))

    def logits(masks) -> float:
        answers = [f._replace(candidates=f.candidates._replace(masks=masks(f.mask_logits))) for f in frames]
        return float(teacher.terms(clips, answers)["logits"])

    least = logits(lambda own: own.expand(-1, 4, -1, -1))
    assert least < logits(lambda own: own.expand(-1, 4, -1, -1) + 0.5)
    assert least < logits(lambda own: own.expand(-1, 4, -1, -1) - 0.5)


@pytest.mark.parametrize("name", ["nothing", "wider", "wider in memory", "larger", "larger and wider", "smaller"])
def test_a_teacher_of_another_width_or_image_size_teaches_too(student, teachers, clips, name):
    student.train()
    teacher = Teacher(teachers[name], student.config.hidden_dim)
    terms = teacher.terms(clips, list(unroll(student, clips)))
    # Memories of other widths cannot be compared.
    assert terms.keys() == {"features", "logits", "memories"} - ({"memories"} if "memory" in name else set())
    assert all(torch.isfinite(term) and term > 0 for term in terms.values())
    sum(terms.values()).backward()
    assert student.image_encoder.trunk.stem.conv1.c.weight.grad.abs().sum() > 0
    projection = list(teacher.trained_parameters())
    assert len(projection) == (2 if name.endswith("wider") else 0)
    assert all(parameter.grad.abs().sum() > 0 for parameter in projection)
    assert all(parameter.grad is None for parameter in teacher.model.parameters())


def test_a_teacher_of_another_image_size_is_told_the_same_of_the_same_places(student, teachers, clips, monkeypatch):
    seen = []
    monkeypatch.setattr("tinysam2.models.training.distillation.unroll", lambda model, asked: seen.append(asked) or [])
    with pytest.raises(RuntimeError):
        Teacher(teachers["larger"], student.config.hidden_dim).terms(clips, [])
    [asked] = seen
    assert asked.images.shape[-2:] == (128, 128)
    # The centre of pixel x lies at x + 0.5, at either size.
    torch.testing.assert_close((asked.prompt.point_coords + 0.5) / 128, (clips.prompt.point_coords + 0.5) / 64)
    torch.testing.assert_close(asked.prompt.mask_prompt.mean(), clips.prompt.mask_prompt.mean(), atol=1e-2, rtol=0)
    assert torch.equal(asked.prompt.point_labels, clips.prompt.point_labels)


def test_the_projection_is_the_same_in_every_run(teachers, student):
    first, second = (Teacher(teachers["wider"], student.config.hidden_dim).trained_state() for _ in range(2))
    assert same(first, second)


@pytest.mark.parametrize("name", ["nothing", "wider"])
def test_training_moves_the_student_and_never_the_teacher(student, teachers, short_run, moving_video, tmp_path, name):
    teacher = Teacher(teachers[name], student.config.hidden_dim)
    before, taught, projected = weights(student), weights(teacher.model), copy.deepcopy(teacher.trained_state())
    train(student, (moving_video(),), short_run(steps=2, clips=2), RunFolder(tmp_path / "run"), teacher=teacher)
    assert same(weights(teacher.model), taught)
    assert not same(weights(student), before)
    assert same(teacher.trained_state(), projected) is (name == "nothing")


def test_a_run_with_a_teacher_goes_on_where_it_stopped(small_config, teachers, short_run, moving_video, tmp_path):
    settings = short_run(steps=4, clips=2, checkpoint_every=2)
    ends = []
    for stop in (None, 2):
        folder = RunFolder(tmp_path / str(stop))
        for _ in range(1 if stop is None else 2):
            student, teacher = seeded_model(small_config), Teacher(teachers["wider"], small_config.hidden_dim)
            try:
                train(
                    student,
                    (moving_video(),),
                    settings,
                    folder,
                    teacher=teacher,
                    execution=Execution(progress=_stopping_at(stop)),
                )
            except KeyboardInterrupt:
                stop = None
        ends.append((weights(student), copy.deepcopy(teacher.trained_state())))
    assert all(same(one, other) for one, other in zip(*ends, strict=True))


def _stopping_at(stop: int | None):
    def progress(done) -> None:
        if done.step == stop:
            raise KeyboardInterrupt

    return progress
