"""A recipe says by program and layer which precision holds; the last rule that matches a layer wins."""

import json

import pytest

from tinysam2.core.errors import InputError
from tinysam2.models.quantization.conversion import quantizable_layers
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE, PROGRAMS, Recipe, Rule, read_recipe


def test_the_last_matching_rule_holds():
    recipe = Recipe(
        (
            Rule("image_encoder", "*", "w8a8"),
            Rule("image_encoder", "trunk.stem.*", "float"),
            Rule("image_encoder", "trunk.stem.conv2", "w8"),
        )
    )
    assert recipe.precision("image_encoder", "trunk.stages.0.blocks.0.token_mixer") == "w8a8"
    assert recipe.precision("image_encoder", "trunk.stem.conv1") == "float"
    assert recipe.precision("image_encoder", "trunk.stem.conv2") == "w8"


def test_a_layer_without_a_rule_stays_in_float():
    assert Recipe((Rule("image_encoder", "*", "w8a8"),)).precision("mask_decoder", "pointer.layers.0") == "float"


def test_the_default_quantizes_every_program():
    assert {DEFAULT_RECIPE.precision(program, "any.layer") for program in PROGRAMS} == {"w8a8"}


def test_the_default_leaves_the_layers_that_scores_come_out_of_in_float(nano_model):
    heads = {
        name
        for program, name in quantizable_layers(nano_model).values()
        if DEFAULT_RECIPE.precision(program, name) == "float"
    }
    assert heads == {"iou_head.layers.2", "object_score_head.layers.2"}


def test_a_written_recipe_is_read_back(tmp_path):
    recipe = Recipe((*DEFAULT_RECIPE.rules, Rule("mask_decoder", "iou_head.*", "float")))
    recipe.write(tmp_path / "recipe.json")
    assert read_recipe(tmp_path / "recipe.json") == recipe


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "cannot be used"),
        ("[]", "list of rules"),
        ('{"program": "image_encoder"}', "list of rules"),
        ([{"program": "image_encoder", "layers": "*"}], "rule 1 must have"),
        ([{"program": "encoder", "layers": "*", "precision": "w8a8"}], "rule 1: Rule.program is 'encoder'"),
        ([{"program": "image_encoder", "layers": "", "precision": "w8a8"}], "rule 1: Rule.layers is empty"),
        ([{"program": "image_encoder", "layers": "*", "precision": "int4"}], "rule 1: Rule.precision is 'int4'"),
    ],
)
def test_what_is_no_recipe_is_refused_by_a_sentence(tmp_path, written, said):
    path = tmp_path / "recipe.json"
    path.write_text(written if isinstance(written, str) else json.dumps(written))
    with pytest.raises(InputError, match=r"the recipe .*recipe\.json") as refused:
        read_recipe(path)
    assert said in str(refused.value)


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_recipe(tmp_path / "none.json")
