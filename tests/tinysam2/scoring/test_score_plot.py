"""The picture of scores: one PNG, whatever the dataset's size, and with what was not scored left out."""

import pytest
from PIL import Image

from tinysam2.scoring.score_plot import draw_scores
from tinysam2.scoring.scores import DatasetScore, Measure, ObjectScore, SequenceScore


def score(sequences: int, values=(None, 0.2, 0.9, None)) -> DatasetScore:
    scored = ObjectScore(Measure(values), Measure(values))
    return DatasetScore(tuple(SequenceScore(f"clip-{i}", {1: scored, 2: scored}) for i in range(sequences)))


@pytest.mark.parametrize("sequences", [1, 7])
def test_it_is_a_png_that_grows_with_the_sequences(tmp_path, sequences):
    draw_scores(score(sequences).to_json(), tmp_path / "scores.png", "a model")
    with Image.open(tmp_path / "scores.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 1210
        assert (picture.height > 500) == (sequences == 7)


@pytest.mark.parametrize("values", [(None, None), (None, 0.5, None)])
def test_sequences_with_no_score_or_a_single_one_can_be_drawn(tmp_path, values):
    draw_scores(score(2, values).to_json(), tmp_path / "scores.png", "a model")
    assert (tmp_path / "scores.png").is_file()
