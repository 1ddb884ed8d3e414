"""A report says the verdict of every gate, in numbers that any reader of JSON can read."""

import json
from dataclasses import replace

from tinysam2.mobile_runtime.memory.accounting import Amount, ModelMemory, Peak, ProgramMemory, TensorBytes
from tinysam2.validation.gate import Gate
from tinysam2.validation.memory.budget import DEFAULT_BUDGETS
from tinysam2.validation.memory.measured import MeasuredMemory
from tinysam2.validation.parity.bank_states import StateCalls
from tinysam2.validation.parity.check import ChainParity, ClipParity, ProgramParity, TensorParity
from tinysam2.validation.reporting.markdown import render_markdown
from tinysam2.validation.reporting.page import render_page
from tinysam2.validation.reporting.report import ClipReport, Report, TargetReport

PASSED = Gate("clip", "mean mask IoU", 1.0, 0.99, True, "why")
FAILED = replace(PASSED, value=0.5)
MEMORY = ModelMemory(
    programs={
        "image_encoder": ProgramMemory(
            weights=Amount(100, "stored"),
            activations=Peak(200, "planned", "conv", (TensorBytes("wide", 150), TensorBytes("image", 50))),
            inputs=Amount(30, "planned"),
            outputs=Amount(40, "planned"),
        )
    },
    weights=Amount(100, "stored"),
    activations=Amount(200, "estimated"),
    bank=Amount(10, "planned"),
    features=Amount(5, "planned"),
)
TARGET = TargetReport(
    target="coreml",
    precision="fp16",
    runtime="MIL interpreter",
    versions={"torch": "2.13.0"},
    programs=(
        ProgramParity("image_encoder", 3, (TensorParity("features", 60.0, 1.0, 0.01),), None),
        ProgramParity(
            "memory_encoder", 3, (TensorParity("a", 70.0, 1.0, 0.1), TensorParity("b", 50.0, 0.9, 0.2)), 0.95
        ),
    ),
    chain=ChainParity((ClipParity("koi", (1.0, 0.5), {"empty": 61.0}),), 124, 12_000),
    memory=MEMORY,
    measured=MeasuredMemory(300, 1000, 2000, 2500, 3000, -8, 10, 10),
    gates=(PASSED,),
)
REPORT = Report(
    "nano",
    "seeded",
    "ab" * 32,
    False,
    (ClipReport("koi", 2, 96, 72, 1, {"empty": StateCalls(1), "full": StateCalls()}),),
    DEFAULT_BUDGETS["nano"],
    MEMORY,
    None,
    (TARGET, replace(TARGET, target="tflite")),
)


def test_a_target_passes_where_all_its_gates_do():
    assert TARGET.passed
    assert not replace(TARGET, gates=(PASSED, FAILED)).passed


def test_a_validation_passes_where_all_its_targets_do():
    assert REPORT.passed
    failing = replace(REPORT, targets=(TARGET, replace(TARGET, gates=(FAILED,))))
    assert not failing.passed
    assert [target["passed"] for target in failing.to_json()["targets"]] == [True, False]
    assert failing.to_json()["passed"] is False


def test_a_program_is_as_good_as_its_worst_output_and_a_clip_as_its_frames():
    target = TARGET.to_json()
    assert [program["sqnr_db"] for program in target["programs"]] == [60, 50]
    assert (target["chain"]["mean_iou"], target["chain"]["min_iou"]) == (0.75, 0.5)


SCORE = {"J": 0.6, "F": 0.8, "JF": 0.7}


def test_several_clips_are_told_one_by_one_and_in_the_mean():
    better, worse = ({name: value + more for name, value in SCORE.items()} for more in (0.01, -0.03))
    clips = (
        ClipParity("koi", (1.0, 0.8), {"empty": 61.0, "full": 50.0}, better, SCORE),
        ClipParity("newt", (1.0, 1.0, 1.0, 1.0), {"empty": 55.0}, worse, SCORE),
        ClipParity("heron", (0.98,), {}),
    )
    chain = replace(TARGET, chain=ChainParity(clips, 124, 12_000)).to_json()["chain"]
    assert [clip["regressed"] for clip in chain["clips"]] == [False, True, True]
    assert [clip["points_lost"] and round(clip["points_lost"], 6) for clip in chain["clips"]] == [-1, 3, None]
    assert round(chain["score"]["JF"], 6) == 0.69
    assert chain["float_score"] == SCORE
    assert (round(chain["mean_iou"], 6), chain["min_iou"]) == (round((0.9 + 1 + 0.98) / 3, 6), 0.8)
    assert chain["sqnr_by_state"] == {"empty": 55, "full": 50}


def test_a_state_that_no_clip_met_is_named():
    met = {"empty": StateCalls(1), "full": StateCalls(made=1), "evicting": StateCalls()}
    missed = {"empty": StateCalls(2), "full": StateCalls(), "evicting": StateCalls()}
    report = replace(REPORT, clips=tuple(replace(REPORT.clips[0], states=states) for states in (met, missed)))
    assert report.states == {"empty": StateCalls(3), "full": StateCalls(made=1), "evicting": StateCalls()}
    assert report.uncovered == ("evicting",)


def test_every_gate_is_told_with_its_value_limit_reason_and_verdict():
    [gate] = replace(TARGET, gates=(FAILED,)).to_json()["gates"]
    assert gate == {
        "subject": "clip",
        "measure": "mean mask IoU",
        "value": 0.5,
        "limit": 0.99,
        "at_least": True,
        "reason": "why",
        "found": "",
        "passed": False,
    }


def test_memory_is_told_by_program_and_in_all_with_how_it_is_known():
    memory = TARGET.to_json()["memory"]
    assert memory["programs"]["image_encoder"]["activations"] == {
        "bytes": 200,
        "known": "planned",
        "operation": "conv",
        "tensors": ({"name": "wide", "bytes": 150}, {"name": "image", "bytes": 50}),
    }
    assert memory["total"] == {"bytes": 315, "known": "estimated"}
    assert TARGET.to_json()["measured"]["growth"] == -8
    assert replace(TARGET, measured=None).to_json()["measured"] is None


def test_the_budget_and_the_float_models_memory_are_told_too():
    report = REPORT.to_json()
    assert report["budget"]["growth_over_300_frames"] == {"mib": 0, "reason": "memory does not grow with the video"}
    assert (report["float_memory"]["total"]["bytes"], report["float_measured"]) == (315, None)


def test_a_report_says_which_version_it_is_and_what_was_validated():
    report = REPORT.to_json()
    assert report["report_version"] == 4
    assert (report["preset"], report["trained"]) == ("nano", False)
    assert report["clips"][0] == {
        "name": "koi", "frames": 2, "width": 96, "height": 72, "objects": 1,
        "states": {"empty": {"calls": 1, "made": 0}, "full": {"calls": 0, "made": 0}},
    }  # fmt: skip
    assert report["targets"][0]["programs"][1]["same_tokens"] == 0.95
    assert set(report["environment"]) == {"python", "system", "processor", "cores", "packages"}


def test_the_reproducible_report_leaves_out_what_processes_took(findings):
    report = findings.reproducible().to_json()
    assert report["float_measured"] is None
    assert {target["measured"] for target in report["targets"]} == {None}
    measures = [gate["measure"] for target in report["targets"] for gate in target["gates"]]
    assert measures
    assert not [measure for measure in measures if measure.startswith("growth")]
    assert report["passed"] == findings.passed


def test_growth_that_failed_stays_in_the_reproducible_report(findings):
    first, *others = findings.targets
    grown = Gate("process", "growth MiB over 300 frames", 9.0, 0.25, False, "memory does not grow")
    failing = replace(findings, targets=(replace(first, gates=(*first.gates, grown)), *others))
    assert not failing.reproducible().passed


def test_the_report_tells_the_weights_terms(findings):
    report = replace(findings, licence="CC-BY-NC-4.0", trained_on=("DAVIS",)).to_json()
    told = "Licence of the weights: CC-BY-NC-4.0, trained on DAVIS."
    assert told in render_page(json.loads(json.dumps(report)))
    assert told in render_markdown(json.loads(json.dumps(report)))
