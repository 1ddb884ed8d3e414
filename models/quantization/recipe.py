"""Which layers are quantized and how: a recipe is a list of rules over the layers' names."""

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.core.errors import InputError
from tinysam2.core.files import write_text
from tinysam2.core.json_text import parse_json

W8A8, W8, FLOAT = "w8a8", "w8", "float"
PRECISIONS = (W8A8, W8, FLOAT)
"""Weights and activations in int8; weights alone; neither."""

PROGRAMS = (IMAGE_ENCODER, MEMORY_ATTENTION, MASK_DECODER, MEMORY_ENCODER)


@dataclass(frozen=True)
class Rule:
    """The layers of a program whose names match a pattern (`*` matches anything, dots too) have a precision.

    Names are those of the fused model within the program, as in "trunk.stages.2.blocks.3.token_mixer".
    """

    program: str
    layers: str
    precision: str

    def __post_init__(self) -> None:
        if self.program not in PROGRAMS:
            raise ValueError(f"Rule.program is {self.program!r}; it must be one of {', '.join(PROGRAMS)}")
        if not (isinstance(self.layers, str) and self.layers):
            given = "empty" if self.layers == "" else repr(self.layers)
            raise ValueError(f"Rule.layers is {given}; it must be a pattern, as in '*' or 'trunk.stages.0.*'")
        if self.precision not in PRECISIONS:
            raise ValueError(f"Rule.precision is {self.precision!r}; it must be one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class Recipe:
    """Rules of which the last that matches a layer holds; a layer that none matches stays in float.

    Only convolutions and linear layers have a precision: norms, softmax, attention's products, token selection and
    the bank's update are always in float.
    """

    rules: tuple[Rule, ...]

    def precision(self, program: str, layer: str) -> str:
        """The precision of a layer, by its program and its name in it."""
        for rule in reversed(self.rules):
            if rule.program == program and fnmatch.fnmatchcase(layer, rule.layers):
                return rule.precision
        return FLOAT

    def to_json(self) -> str:
        """The rules as JSON text, which `read_recipe` reads."""
        return json.dumps([asdict(rule) for rule in self.rules], indent=2)

    def write(self, path: Path) -> None:
        """Writes the rules as a JSON file, whole or not at all."""
        write_text(path, self.to_json() + "\n")


DEFAULT_RECIPE = Recipe(
    (
        *(Rule(program, "*", W8A8) for program in PROGRAMS),
        Rule(MASK_DECODER, "iou_head.layers.2", FLOAT),
        Rule(MASK_DECODER, "object_score_head.layers.2", FLOAT),
    )
)
"""Every convolution and every projection but the two that scores come out of. Scores decide: which candidate is the
answer, what is remembered. In int8 most candidates tie, and whatever lies above the range counts alike."""


def read_recipe(path: Path) -> Recipe:
    """A recipe from a JSON file: a list of {"program", "layers", "precision"}.

    Raises InputError where the file cannot be read, or names the rule that is not one.
    """
    if not path.is_file():
        raise InputError(f"the recipe {path} does not exist; name a JSON file of rules")
    try:
        return recipe_of_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"the recipe {path} cannot be used: {error}") from error


def recipe_of_json(text: str) -> Recipe:
    """A recipe from JSON text. Raises ValueError that names the rule that is not one."""
    rules = parse_json(text)
    if not isinstance(rules, list) or not rules:
        raise ValueError("it must hold a list of rules")
    return Recipe(tuple(_rule(number, rule) for number, rule in enumerate(rules, 1)))


def _rule(number: int, rule: object) -> Rule:
    fields = {"program", "layers", "precision"}
    if not isinstance(rule, Mapping) or set(rule) != fields:
        raise ValueError(f'rule {number} must have "program", "layers" and "precision", and nothing else')
    try:
        return Rule(**rule)
    except (TypeError, ValueError) as error:
        raise ValueError(f"rule {number}: {error}") from error
