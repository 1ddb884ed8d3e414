"""The terms of weights: their licence and the data that they were trained on, as a checkpoint's metadata keeps them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tinysam2.core.artifacts import UNKNOWN_LICENCE
from tinysam2.core.json_text import parse_json

LICENCE, TRAINED_ON = "licence", "trained_on"
"""Metadata of a checkpoint: an SPDX identifier or a sentence, and a JSON list of names."""


@dataclass(frozen=True)
class Terms:
    """licence: an SPDX identifier or a sentence. trained_on: the data sets, in the order in which they were used."""

    licence: str = UNKNOWN_LICENCE
    trained_on: tuple[str, ...] = ()

    def metadata(self) -> dict[str, str]:
        """As a checkpoint keeps them."""
        return {LICENCE: self.licence, TRAINED_ON: json.dumps(list(self.trained_on))}

    def after_training(self, data: tuple[str, ...], licence: str | None = None) -> "Terms":
        """Of weights trained from these on more data; the licence stays unless another is given."""
        return Terms(licence or self.licence, tuple(dict.fromkeys((*self.trained_on, *data))))


NOT_STATED = Terms()


def terms_of(metadata: Mapping[str, str]) -> Terms:
    """The terms in a checkpoint's metadata; what it does not state is not stated. ValueError where they cannot be
    read."""
    trained_on = parse_json(metadata.get(TRAINED_ON, "[]"))
    if not isinstance(trained_on, list) or not all(isinstance(name, str) for name in trained_on):
        raise ValueError(f"{TRAINED_ON} is no list of names")
    return Terms(metadata.get(LICENCE) or UNKNOWN_LICENCE, tuple(trained_on))
