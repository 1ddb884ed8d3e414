"""The picture of scores: one PNG, whatever the dataset's size, and with what was not scored left out."""

from dataclasses import replace

import pytest
from matplotlib.figure import Figure
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


def test_bars_marks_and_lines_are_the_scores(tmp_path, monkeypatch):
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (drawn.append(figure), save(figure, *a, **k)))
    low, high = score(1, (None, 0.2, 0.4, None)).sequences[0], score(1, (None, 0.9, 0.7, None)).sequences[0]
    draw_scores(DatasetScore((low, replace(high, name="clip-1"))).to_json(), tmp_path / "scores.png", "a model")
    [figure] = drawn
    bars, *tiles = figure.axes
    assert figure.get_suptitle() == "a model"
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([0.3, 0.8])
    assert [label.get_text() for label in bars.get_yticklabels()] == ["clip-0", "clip-1"]
    assert [tile.get_title() for tile in tiles[:2]] == ["clip-0  0.300", "clip-1  0.800"]
    assert tiles[1].lines[-1].get_xydata().tolist() == [[1, 0.9], [2, 0.7]]
