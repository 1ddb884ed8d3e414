"""The program contract says what the design page says, and closes over the bank."""

import numpy as np
import pytest

from tinysam2.core.config import DENSE_BANK, PRESETS, preset
from tinysam2.core.contract import EMPTY_AGE, NEXT, bank_spec, program_contract
from tinysam2.models.network.bank import MemoryBank, empty_bank

EVERY_CONFIG = [*PRESETS.values(), preset("nano").with_bank(DENSE_BANK)]
every_config = pytest.mark.parametrize("config", EVERY_CONFIG, ids=[*PRESETS, "nano, dense"])

BANK_SHAPES = {
    "memory_tokens": (1, 1984, 64),
    "memory_xy": (1, 1984, 2),
    "slot_quality": (1, 7),
    "slot_age": (1, 7),
    "pointers": (1, 16, 256),
    "pointer_age": (1, 16),
}
FEATURES = {"features": (1, 256, 64, 64)}
DETAILS = {"features_s8": (1, 64, 128, 128), "features_s4": (1, 32, 256, 256)}
CONDITIONED = {"conditioned": (1, 256, 64, 64)}
HAS_MASK = {"has_mask": (1, 1)}
DECODED = {"mask_logits": (1, 1, 256, 256), "iou": (1, 1), "object_score": (1, 1), "object_pointer": (1, 256)}
PROMPT = {"point_coords": (1, 4, 2), "point_labels": (1, 4), "mask_prompt": (1, 1, 256, 256), **HAS_MASK}

DESIGN = {
    "image_encoder": ({"image": (1, 3, 1024, 1024)}, {**FEATURES, **DETAILS}),
    "memory_attention": ({**FEATURES, **HAS_MASK, **BANK_SHAPES}, CONDITIONED),
    "mask_decoder": ({**CONDITIONED, **DETAILS, **PROMPT}, DECODED),
    "memory_encoder": (
        {**FEATURES, **DECODED, "is_prompted": (1, 1), **BANK_SHAPES},
        {f"next_{name}": shape for name, shape in BANK_SHAPES.items()},
    ),
}


def shapes(tensors) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tensor.shape for tensor in tensors}


def test_the_four_programs_come_in_the_order_of_their_calls():
    assert list(program_contract(preset("tinysam2"))) == list(DESIGN)


@pytest.mark.parametrize("program", DESIGN)
def test_a_programs_tensors_are_the_design_pages_in_its_order(program):
    spec = program_contract(preset("tinysam2"))[program]
    inputs, outputs = DESIGN[program]
    assert list(shapes(spec.inputs).items()) == list(inputs.items())
    assert list(shapes(spec.outputs).items()) == list(outputs.items())
    assert spec.input_names == tuple(inputs)
    assert spec.output_names == tuple(outputs)


@every_config
def test_each_next_tensor_is_fed_back_as_the_bank_input_of_its_name(config):
    programs = program_contract(config)
    following = {t.name.removeprefix(NEXT): t.shape for t in programs["memory_encoder"].outputs}
    assert all(t.name.startswith(NEXT) for t in programs["memory_encoder"].outputs)
    assert following == shapes(bank_spec(config))
    for reader in ("memory_attention", "memory_encoder"):
        assert following.items() <= shapes(programs[reader].inputs).items()


@every_config
def test_a_tensor_of_one_name_has_one_shape_everywhere(config):
    seen: dict[str, tuple[int, ...]] = {}
    for program in program_contract(config).values():
        for tensor in (*program.inputs, *program.outputs):
            assert seen.setdefault(tensor.name, tensor.shape) == tensor.shape


@every_config
def test_every_input_comes_from_an_earlier_program_the_bank_or_the_app(config):
    known = {t.name for t in bank_spec(config)}
    known |= {"image", "point_coords", "point_labels", "mask_prompt", "has_mask", "is_prompted"}
    for program in program_contract(config).values():
        assert set(program.input_names) <= known
        known |= set(program.output_names)


@every_config
def test_every_tensor_is_float32_of_at_most_four_axes_and_says_what_it_means(config):
    for program in program_contract(config).values():
        for tensor in (*program.inputs, *program.outputs):
            assert tensor.dtype == "float32"
            assert 1 <= len(tensor.shape) <= 4
            assert tensor.shape[0] == 1
            assert tensor.meaning


@every_config
def test_the_models_bank_is_the_contracts(config):
    bank = empty_bank(config)
    assert MemoryBank._fields == tuple(t.name for t in bank_spec(config))
    assert [tuple(t.shape) for t in bank] == [t.shape for t in bank_spec(config)]
    for name, tensor in bank._asdict().items():
        assert tensor.unique().tolist() == [EMPTY_AGE if name.endswith("age") else 0]


def test_a_bank_of_the_largest_preset_keeps_to_its_budget_in_fp16():
    elements = sum(int(np.prod(t.shape)) for t in bank_spec(preset("tinysam2")))
    assert 2 * elements / 2**20 == pytest.approx(0.26, abs=0.005)
