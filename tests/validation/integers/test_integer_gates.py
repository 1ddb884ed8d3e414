"""Each check of the integers is a gate, and a failed one says where."""

from dataclasses import replace

import pytest

from tinysam2.core.targets import TARGETS
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE
from tinysam2.models.weights.checkpoint import LoadedModel
from tinysam2.validation.integers.checks import IntegerReport, Verdict
from tinysam2.validation.integers.gates import INT8_SHARE, gates_of, integer_gates
from tinysam2.validation.integers.products import Share

SHARE = {"image_encoder": Share(100, 100)}


def failed(report: IntegerReport) -> list[str]:
    return [f"{gate.subject}, {gate.measure}: {gate.found}" for gate in gates_of(report) if not gate.passed]


def test_a_report_without_faults_passes():
    assert failed(IntegerReport([Verdict("scales", "all are equal", {})], SHARE)) == []


def test_a_failed_check_is_told_with_its_first_faults_and_the_number_of_the_others():
    faults = {f"layer {number}": "it differs" for number in range(5)}
    told = failed(IntegerReport([Verdict("scales", "all are equal", faults)], SHARE))
    assert told == [
        "integers, faults of scales: layer 0: it differs; layer 1: it differs; layer 2: it differs; and 2 more"
    ]


@pytest.mark.parametrize(("int8", "passes"), [(95, True), (94, False)])
def test_most_of_the_image_encoder_must_be_in_int8(int8, passes):
    assert INT8_SHARE == 0.95
    told = failed(IntegerReport([], {"image_encoder": Share(int8, 100)}))
    assert told == ([] if passes else ["image_encoder, int8 share of MACs: "])


@pytest.mark.parametrize("shares", [{}, {"image_encoder": Share(0, 0)}])
def test_an_image_encoder_without_any_product_fails_with_a_sentence(shares):
    told = failed(IntegerReport([], shares))
    assert told == [
        "image_encoder, int8 share of MACs: no convolution, linear layer or matrix product of it is in the file"
    ]


def test_a_float_model_has_no_integers_to_hold_to(tmp_path):
    assert list(integer_gates(LoadedModel(None, "float", True, ""), tmp_path, None)) == []


def test_a_target_without_an_integer_reader_has_no_gate_on_integers(tmp_path):
    class Card:
        target_entry = replace(TARGETS["tflite"], integer_reader=None)

    quantized = LoadedModel(None, "int8", True, "", DEFAULT_RECIPE)
    assert list(integer_gates(quantized, tmp_path, Card)) == []
