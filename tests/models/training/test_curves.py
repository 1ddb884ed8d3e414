"""The curves of a run are a picture, whatever its rows hold."""

import pytest
from matplotlib.figure import Figure
from PIL import Image

from tinysam2.models.training.curves import draw_curves

ROW = {"learning_rate": 1e-3, "loss": 2.0, "focal": 0.1, "dice": 0.5, "iou": 0.2, "object_score": 0.1, "j": 0.4}


@pytest.mark.parametrize(
    "rows",
    [
        [{"step": 20, **ROW}],
        [{"step": 20, **ROW, "features": 0.0, "logits": 0.0}, {"step": 40, **ROW, "held_out_j": 0.6}],
        [{"step": 20, **ROW, "features": 0.3, "logits": 0.7, "held_out_j": 0.0}],
        [{"step": 20, **dict.fromkeys(ROW, 0.0)}],
    ],
)
def test_rows_become_a_picture(tmp_path, rows):
    draw_curves(rows, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"
        assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 5
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


def test_without_rows_there_is_no_picture(tmp_path):
    draw_curves([], tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())


def test_each_panel_shows_its_own_columns_over_the_steps(tmp_path, monkeypatch):
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (drawn.append(figure), save(figure, *a, **k)))
    draw_curves([{"step": 20, **ROW}, {"step": 40, **ROW, "loss": 1.0, "j": 0.7}], tmp_path / "curves.png")
    [figure] = drawn
    loss, terms, j, rate = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["loss", "terms", "J", "learning rate"]
    assert loss.lines[0].get_xydata().tolist() == [[20, 2.0], [40, 1.0]]
    assert [line.get_label() for line in terms.lines] == ["focal", "dice", "iou", "object_score"]
    assert j.lines[0].get_ydata().tolist() == [0.4, 0.7]
    assert rate.lines[0].get_ydata().tolist() == [1e-3, 1e-3]
