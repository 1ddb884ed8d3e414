"""Products of two computed tensors are BATCH_MATMULs in the converted file, and compute what they did."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("litert_torch")

import litert_torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tinysam2.converters.litert.flatbuffer import code_of, packed, parsed
from tinysam2.converters.litert.matrix_products import restore_matrix_products

Code = schema.BuiltinOperator


class Scores(nn.Module):
    """A product of two computed tensors between two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(6, 3)

    def forward(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(query) @ (key + 1).transpose(-2, -1))


@pytest.fixture(scope="module")
def inputs() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, 5, 8, generator=generator), torch.randn(1, 6, 8, generator=generator)]


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    return Scores().eval()


@pytest.fixture(scope="module")
def converted(module, inputs, tmp_path_factory) -> bytes:
    """As the converter leaves it."""
    file = tmp_path_factory.mktemp("scores") / "scores.tflite"
    litert_torch.convert(module, tuple(inputs)).export(str(file))
    return file.read_bytes()


@pytest.fixture(scope="module")
def restored(converted) -> bytes:
    model = parsed(converted)
    restore_matrix_products(model)
    return packed(model)


def codes(content: bytes) -> list[int]:
    model = parsed(content)
    return [code_of(model, operator) for operator in model.subgraphs[0].operators]


def output(content: bytes, inputs: list[torch.Tensor]) -> np.ndarray:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    for details, given in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], given.numpy())
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_the_converter_takes_a_product_of_one_batch_for_a_linear_layer(converted):
    assert codes(converted).count(Code.FULLY_CONNECTED) == 3
    assert Code.BATCH_MATMUL not in codes(converted)


def test_it_is_a_product_again_and_linear_layers_stay(restored):
    assert codes(restored).count(Code.BATCH_MATMUL) == 1
    assert codes(restored).count(Code.FULLY_CONNECTED) == 2


def test_the_numbers_stay(module, inputs, converted, restored):
    wanted = module(*inputs).detach().numpy()
    for content in (converted, restored):
        np.testing.assert_allclose(output(content, inputs), wanted, atol=1e-5)


def test_done_twice_it_changes_nothing_more(restored):
    model = parsed(restored)
    restore_matrix_products(model)
    assert packed(model) == restored
