"""JUnit XML: a suite a target, a case a gate, and a failure with its sentence for CI to show."""

import xml.etree.ElementTree as ElementTree

from tinysam2.validation.reporting.junit import render_junit


def test_every_target_is_a_suite_and_every_gate_a_case(report):
    suites = ElementTree.fromstring(render_junit(report).encode())
    assert suites.tag == "testsuites"
    assert [suite.get("name") for suite in suites] == ["coreml fp16", "executorch fp32", "tflite fp32"]
    for suite, target in zip(suites, report["targets"], strict=True):
        cases = suite.findall("testcase")
        assert len(cases) == int(suite.get("tests")) == len(target["gates"])
        assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
        assert suite.get("failures") == "0"
    assert int(suites.get("tests")) == sum(len(target["gates"]) for target in report["targets"])


def test_a_failed_gate_is_a_failure_with_its_sentence_and_reason(failing_report):
    suites = ElementTree.fromstring(render_junit(failing_report).encode())
    [failure] = suites.iter("failure")
    assert failure.get("message") == "clip: least mask IoU is 0.41 and must be at least 0.99"
    assert failure.text.startswith("kernels only reorder")
    assert [suite.get("failures") for suite in suites] == ["0", "0", "1"]
    assert suites.get("failures") == "1"


def test_every_clip_and_the_states_of_the_bank_are_properties(report_of_several):
    suites = ElementTree.fromstring(render_junit(report_of_several).encode())
    told = {entry.get("name"): entry.get("value") for entry in list(suites)[2].iter("property")}
    assert told["clip koi"] == "J&F 69.83 %, float model 69.83 %; mask IoU 0.9998 mean, 0.9996 least"
    assert told["clip newt"].startswith("regressed: J&F 64.83 %, float model 69.83 %")
    assert "not covered: two objects" in told["states of the memory bank"]


def test_the_memory_layout_is_a_property(report):
    suites = ElementTree.fromstring(render_junit(report).encode())
    told = [entry.get("value") for entry in suites.iter("property") if entry.get("name") == "memory layout"]
    assert told == ["not available", "all 42 tensors contiguous", "all 42 tensors contiguous"]


def test_a_clip_of_any_name_gives_xml_that_parses(report):
    report["clips"][0]["name"] = '<koi> & "friends" \x00\x1b\ufffe'
    suites = ElementTree.fromstring(render_junit(report).encode())
    assert '<koi> & "friends" ???' in suites.get("name")
