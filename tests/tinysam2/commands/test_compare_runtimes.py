"""`compare-runtimes`: the interpreter stands in for `MLModel.predict`, so that a disagreement can be made."""

import json

import pytest

pytest.importorskip("coremltools")


@pytest.fixture
def apple(monkeypatch):
    """apple(alter): a Mac whose `MLModel` is the interpreter; alter(output, value) makes it disagree."""
    import coremltools

    from tinysam2.mobile_runtime.mil import MILProgram

    def install(alter):
        class Interpreted:
            def __init__(self, path):
                self.program = MILProgram.load(path)

            def predict(self, inputs):
                return {name: alter(name, value) for name, value in self.program.run(**inputs).items()}

        monkeypatch.setattr("platform.system", lambda: "Darwin")
        monkeypatch.setattr(coremltools.models, "MLModel", Interpreted)

    return install


def test_the_same_numbers_pass(run, apple, coreml_stand_ins):
    apple(lambda name, value: value)
    result = run("compare-runtimes", coreml_stand_ins, "--frames", 2)
    assert result.exit_code == 0, result.output
    assert "passed: Apple's runtime" in result.stdout


def test_a_disagreement_in_one_output_fails_its_program_alone(run, apple, coreml_stand_ins):
    apple(lambda name, value: value + 0.01 if name == "iou" else value)
    result = run("compare-runtimes", coreml_stand_ins, "--frames", 2, "--json")
    assert result.exit_code == 1, result.output
    failed = [gate["subject"] for gate in json.loads(result.stdout)["gates"] if not gate["passed"]]
    assert failed == ["mask_decoder"]


def test_elsewhere_than_on_a_mac_it_is_refused(run, assert_refused, coreml_stand_ins, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert_refused(run("compare-runtimes", coreml_stand_ins), "macOS only")
