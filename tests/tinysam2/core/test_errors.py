"""An InputError is one line that can be printed, whatever a foreign file's names hold."""

import pytest

from tinysam2.core.errors import InputError


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("clip/é 1.png is missing", "clip/é 1.png is missing"),
        ("the frame a\nb is missing", r"the frame a\nb is missing"),
        ("the frame \x1b[31mred is missing", r"the frame \x1b[31mred is missing"),
        ("the frame \ud800 is missing", r"the frame \ud800 is missing"),
    ],
)
def test_what_cannot_be_printed_is_escaped(sentence, shown):
    assert str(InputError(sentence)) == shown
