"""The four programs keep the contract, and what is not there changes nothing."""

import pytest
import torch
from torch import Tensor

from tinysam2.core.contract import MAX_AGE, NEXT, PADDING_LABEL, program_contract
from tinysam2.models.network.bank import BankUpdate, empty_bank
from tinysam2.models.network.mask_decoder import MASK_PROMPT_MARGIN, DecodedFrame
from tinysam2.models.network.programs import build_programs

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def programs(small_model):
    return build_programs(small_model)


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.inference_mode():
        yield


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs_of(config, program: str, seed: int = 0) -> dict[str, Tensor]:
    """Random inputs with an empty bank and no prompt."""
    tensors = {
        spec.name: seeded(*spec.shape, seed=seed + i) for i, spec in enumerate(program_contract(config)[program].inputs)
    }
    absent = {"has_mask": 0.0, "is_prompted": 0.0, "point_labels": PADDING_LABEL}
    absent = {name: torch.full_like(tensors[name], value) for name, value in absent.items() if name in tensors}
    bank = {name: value for name, value in empty_bank(config)._asdict().items() if name in tensors}
    return {**tensors, **absent, **bank}


def half_full_bank(config, seed: int = 0) -> dict[str, Tensor]:
    """The bank of an object that was prompted and then seen once: two slots and two pointers hold something."""
    bank, update = empty_bank(config), BankUpdate(config)
    for age in range(2):
        memory = seeded(1, config.memory_dim, config.grid, config.grid, seed=seed + age)
        mask = seeded(1, 1, config.mask_size, config.mask_size, seed=seed + age)
        pointer = seeded(1, config.hidden_dim, seed=seed + age)
        certain, prompted = torch.ones(1, 1), torch.full((1, 1), 1.0 - age)
        bank = update(memory, DecodedFrame(mask, certain, 9 * certain, pointer), prompted, bank)
    return bank._asdict()


def littered(config, bank: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same bank with anything at all in its empty slots and pointers."""
    rest = config.pooled_tokens + config.tokens_per_frame
    left_over = {name: tensor.clone() for name, tensor in bank.items()}
    for name, start in (("memory_tokens", rest), ("memory_xy", rest), ("slot_quality", 2), ("pointers", 2)):
        left_over[name][:, start:] = 5 * seeded(*left_over[name][:, start:].shape)
    return left_over


PROGRAMS = ("image_encoder", "memory_attention", "mask_decoder", "memory_encoder")
every_program = pytest.mark.parametrize("program", PROGRAMS)


@every_program
def test_outputs_have_the_contracts_names_and_shapes(programs, small_config, program):
    spec = program_contract(small_config)[program]
    outputs = programs[program].named_outputs(**inputs_of(small_config, program))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {t.name: t.shape for t in spec.outputs}
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in outputs.values())


@every_program
def test_a_batch_of_two_gives_what_each_gives_alone(programs, small_config, program):
    pair = [inputs_of(small_config, program, seed) for seed in (0, 50)]
    for i, inputs in enumerate(pair):
        if "memory_tokens" in inputs:
            inputs |= half_full_bank(small_config, seed=10 * i)
    batch = {name: torch.cat([inputs[name] for inputs in pair]) for name in pair[0]}
    alone = [programs[program](**inputs) for inputs in pair]
    for together, *apart in zip(programs[program](**batch), *alone, strict=True):
        torch.testing.assert_close(together, torch.cat(apart), atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("program", ["memory_attention", "memory_encoder"])
def test_the_exported_graph_takes_every_tensor_of_the_contract_by_name(programs, small_config, program):
    """Memory attention has no use for the slots' quality, and takes it all the same: a bank is passed on whole."""
    inputs = inputs_of(small_config, program) | half_full_bank(small_config)
    graph = torch.export.export(programs[program], (), inputs, strict=False)
    assert graph.graph_signature.user_inputs == program_contract(small_config)[program].input_names
    expected = programs[program](**inputs)
    for actual, wanted in zip(graph.module()(**inputs), expected, strict=True):
        torch.testing.assert_close(actual, wanted, atol=TOLERANCE, rtol=TOLERANCE)


def test_with_an_empty_bank_the_features_pass_with_the_no_memory_embedding(programs, small_model, small_config):
    inputs = inputs_of(small_config, "memory_attention")
    [conditioned] = programs["memory_attention"](**inputs)
    embedding = small_model.memory_attention.no_memory.reshape(1, -1, 1, 1)
    assert torch.equal(conditioned, inputs["features"] + embedding)


def test_with_a_mask_prompt_the_features_pass_as_they_are(programs, small_config):
    inputs = inputs_of(small_config, "memory_attention") | half_full_bank(small_config)
    [conditioned] = programs["memory_attention"](**{**inputs, "has_mask": torch.ones(1, 1)})
    assert torch.equal(conditioned, inputs["features"])


def test_memory_attention_does_not_see_what_lies_in_empty_slots(programs, small_config):
    bank = half_full_bank(small_config)
    inputs = inputs_of(small_config, "memory_attention")
    [clean] = programs["memory_attention"](**{**inputs, **bank})
    [same] = programs["memory_attention"](**{**inputs, **littered(small_config, bank)})
    torch.testing.assert_close(same, clean, atol=1e-6, rtol=0)


def test_memory_attention_does_not_see_what_lies_in_an_empty_bank(programs, small_config):
    inputs = inputs_of(small_config, "memory_attention")
    left_over = {name: value if "age" in name else seeded(*value.shape)
                 for name, value in empty_bank(small_config)._asdict().items()}  # fmt: skip
    assert torch.equal(
        programs["memory_attention"](**{**inputs, **left_over})[0], programs["memory_attention"](**inputs)[0]
    )


def test_memory_encoder_does_not_see_what_lies_in_empty_slots(programs, small_config):
    bank = half_full_bank(small_config)
    inputs = {**inputs_of(small_config, "memory_encoder"), "iou": torch.ones(1, 1), "object_score": torch.ones(1, 1)}
    clean = programs["memory_encoder"].named_outputs(**{**inputs, **bank})
    same = programs["memory_encoder"].named_outputs(**{**inputs, **littered(small_config, bank)})
    assert clean[NEXT + "slot_age"].tolist() == [[2, 1, 0, -1]]
    filled = small_config.memory_tokens - small_config.tokens_per_frame
    for name, count in (("memory_tokens", filled), ("memory_xy", filled), ("slot_quality", 3), ("pointers", 3)):
        torch.testing.assert_close(same[NEXT + name][:, :count], clean[NEXT + name][:, :count], atol=0, rtol=0)
    for name in ("slot_age", "pointer_age"):
        assert torch.equal(same[NEXT + name], clean[NEXT + name])


def test_attention_stays_finite_at_the_greatest_age(programs, small_config):
    bank = half_full_bank(small_config)
    bank = {name: value.clamp(min=MAX_AGE) if "age" in name else value for name, value in bank.items()}
    [conditioned] = programs["memory_attention"](**{**inputs_of(small_config, "memory_attention"), **bank})
    assert conditioned.isfinite().all()


@pytest.mark.parametrize("labels", [(-1, -1, -1, -1), (1, -1, -1, -1), (1, 0, -1, -1), (2, 3, -1, -1), (1, 2, 3, -1)])
def test_where_a_padding_point_lies_changes_nothing(programs, small_config, labels):
    inputs = inputs_of(small_config, "mask_decoder")
    inputs["point_labels"] = torch.tensor([labels], dtype=torch.float32)
    inputs["point_coords"] = 10 * seeded(1, 4, 2)
    moved = inputs["point_coords"] + 1000.0 * (inputs["point_labels"] < 0)[..., None]
    expected = programs["mask_decoder"](**inputs)
    for actual, wanted in zip(programs["mask_decoder"](**{**inputs, "point_coords": moved}), expected, strict=True):
        assert torch.equal(actual, wanted)


def test_a_mask_that_is_not_given_changes_nothing(programs, small_config):
    inputs = inputs_of(small_config, "mask_decoder")
    other = {**inputs, "mask_prompt": torch.rand_like(inputs["mask_prompt"])}
    expected = programs["mask_decoder"](**inputs)
    assert all(torch.equal(a, b) for a, b in zip(programs["mask_decoder"](**other), expected, strict=True))


def test_a_mask_prompt_is_the_answer(programs, small_config):
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:9, 2:12] = 1
    mask[..., 9, 2:12] = 0.75
    inputs = {**inputs_of(small_config, "mask_decoder"), "mask_prompt": mask, "has_mask": torch.ones(1, 1)}
    decoded = programs["mask_decoder"].named_outputs(**inputs)
    assert torch.allclose(decoded["mask_logits"], 20 * mask - 10 - MASK_PROMPT_MARGIN)
    assert decoded["iou"].item() == 1
    assert decoded["object_score"].item() == 10


def test_where_a_mask_prompt_is_half_object_no_runtime_has_to_round_a_zero(programs, small_config):
    inputs = {**inputs_of(small_config, "mask_decoder"), "has_mask": torch.ones(1, 1)}
    inputs["mask_prompt"] = torch.full((1, 1, 16, 16), 0.5)
    assert programs["mask_decoder"].named_outputs(**inputs)["mask_logits"].amax() < -1e-3


def test_an_empty_mask_prompt_says_that_the_object_is_not_there(programs, small_model, small_config):
    inputs = {**inputs_of(small_config, "mask_decoder"), "has_mask": torch.ones(1, 1)}
    inputs["mask_prompt"] = torch.zeros(1, 1, 16, 16)
    decoded = programs["mask_decoder"].named_outputs(**inputs)
    assert decoded["mask_logits"].unique().tolist() == [pytest.approx(-10 - MASK_PROMPT_MARGIN)]
    assert decoded["object_score"].item() == -10
    assert torch.equal(decoded["object_pointer"], small_model.mask_decoder.no_object_pointer)


def test_a_prompted_frame_becomes_the_conditioning_memory(programs, small_config):
    inputs = {**inputs_of(small_config, "memory_encoder"), **half_full_bank(small_config)}
    bank = programs["memory_encoder"].named_outputs(**{**inputs, "is_prompted": torch.ones(1, 1)})
    assert bank[NEXT + "slot_age"].tolist() == [[0, 1, -1, -1]]
    assert bank[NEXT + "pointer_age"].tolist() == [[0, 1, -1, -1]]
    assert torch.equal(bank[NEXT + "pointers"][:, 0], inputs["object_pointer"])


def test_fused_programs_leave_the_model_as_it_was(small_model):
    before = {name: value.clone() for name, value in small_model.state_dict().items()}
    build_programs(small_model)
    after = small_model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
