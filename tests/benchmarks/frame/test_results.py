"""The report: shares of the peak, borrowed programs, what is missing, and its JSON."""

import json

import pytest

from benchmarks.frame.command import OWN_PACKAGE, entrants, own_package
from benchmarks.frame.contenders import OURS, Contender, Setting, encoder_is_edgetams, first_line
from benchmarks.frame.programs import GEMM_MACS
from benchmarks.frame.results import FRAME, Measured, Work, precisions_of_peak, report
from benchmarks.frame.table import missing_lines, print_report
from tinysam2.core.config import preset
from tinysam2.models.quantization.recipe import PROGRAMS

REASON = "not lowered: ValueError: no such operator"

WORK = {program: Work(macs=8 * 10**9, product_macs=2 * 10**9) for program in PROGRAMS}


def same(seconds, rounds=4):
    return dict.fromkeys(range(rounds), seconds)


def calls(*programs):
    return dict.fromkeys(programs, lambda: None)


@pytest.fixture
def measured():
    """Ours in int8, a peer that borrows an encoder and lacks a program, and one that borrows and lacks nothing."""
    ours = Contender(OURS, "executorch", "int8", calls(*PROGRAMS))
    peer = Contender(
        "EdgeTAM", "executorch", "int8", calls(*PROGRAMS[2:]), {PROGRAMS[1]: REASON}, frozenset(PROGRAMS[:1])
    )
    eager = Contender("SAM 2.1-tiny", "torch", "fp32", calls(*PROGRAMS))
    programs = {(ours.key, program): same(1.0) for program in PROGRAMS}
    programs |= {(peer.key, program): same(2.0) for program in PROGRAMS[2:]}
    programs |= {(eager.key, program): same(10.0) for program in PROGRAMS}
    peaks = {"fp32": same(GEMM_MACS / 10e9), "int8": same(GEMM_MACS / 20e9)}
    return Measured([ours, peer, eager], programs, peaks)


@pytest.fixture
def found(measured):
    return report(measured, dict.fromkeys((OURS, "EdgeTAM", "SAM 2.1-tiny"), WORK), {measured.contenders[0].key: 1})


def test_shares_count_products_of_activations_at_the_float_peak(found):
    ours = found["contenders"][0]["programs"][PROGRAMS[0]]
    # 6 of 20 int8 GMACs a second, and 2 of 10 float ones, in one second.
    assert ours["share_of_peak"] == pytest.approx(0.3 + 0.2)
    assert ours["macs_per_second"] == pytest.approx(8e9)
    assert found["peak_macs_per_second"]["int8"]["median"] == pytest.approx(20e9)


def test_a_share_needs_the_peak_of_its_own_runtime(found):
    assert found["contenders"][2]["programs"][PROGRAMS[0]]["share_of_peak"] is None
    assert Work(10, 0).least_seconds("int8", {"fp32": 1.0}) is None
    assert Work(10, 4).least_seconds("fp32", {"fp32": 2.0}) == 5.0


def test_a_borrowed_encoder_is_timed_as_ours_and_says_so(found):
    borrowed = found["contenders"][1]["programs"][PROGRAMS[0]]
    assert borrowed["borrowed"]
    assert borrowed["seconds"]["median"] == 1.0


def test_what_is_not_lowered_is_reported_and_leaves_no_frame(found):
    _, peer, _ = found["contenders"]
    assert peer["programs"][PROGRAMS[1]] == {"macs": 8 * 10**9, "missing": REASON}
    assert peer[FRAME] is None
    assert list(missing_lines(found["contenders"])) == [f"EdgeTAM, executorch int8, {PROGRAMS[1]}: {REASON}"]


def test_ratios_are_of_the_first_over_the_others(found):
    ratios = found["ratios"]
    assert list(ratios) == ["EdgeTAM, executorch int8", "SAM 2.1-tiny, torch fp32"]
    assert ratios["EdgeTAM, executorch int8"][PROGRAMS[2]]["median"] == 0.5
    assert ratios["EdgeTAM, executorch int8"][PROGRAMS[1]] is None
    assert ratios["EdgeTAM, executorch int8"][FRAME] is None
    assert ratios["SAM 2.1-tiny, torch fp32"][FRAME]["median"] == pytest.approx(0.1)


def test_the_report_is_json_and_prints(found, capsys):
    assert json.loads(json.dumps(found)) == found
    print_report(found, "a run")
    printed = capsys.readouterr().out
    assert "1000 (1000-1000)" in printed
    assert "(ours)" in printed
    assert REASON in printed


def test_programs_of_one_kind_stand_side_by_side_in_a_round():
    order = []

    def contender(name):
        made = {program: (lambda program=program: order.append((name, program))) for program in PROGRAMS}
        return Contender(name, "torch", "fp32", made)

    both = [contender(OURS), contender("EdgeTAM")]
    Measured.of(both, {"fp32": lambda: order.append(("gemm", "fp32"))}, rounds=1)
    first_round = order[: len(order) // 2]
    expected = [("gemm", "fp32"), *((name, program) for program in PROGRAMS for name in (OURS, "EdgeTAM"))]
    assert first_round == expected


def test_without_eager_only_lowered_ones_enter(tmp_path):
    setting = Setting(preset("tinysam2"), "executorch", "int8", 1, tmp_path)
    entering = entrants(setting, ("EdgeTAM", "SAM 2.1-tiny"), eager=False, lower=("EdgeTAM",))
    names = [(name, where.runtime) for name, where in entering]
    assert names == [(OURS, "executorch"), ("EdgeTAM", "executorch")]


def test_this_model_enters_in_two_runtimes_where_asked(tmp_path):
    setting = Setting(preset("nano"), "tflite", "int8", 1, tmp_path)
    entering = list(entrants(setting, (), eager=False, beside="executorch"))
    assert [(name, where.runtime, where.precision) for name, where in entering] == [
        (OURS, "tflite", "int8"),
        (OURS, "executorch", "int8"),
    ]
    assert len(list(entrants(setting, (), eager=False, beside="tflite"))) == 1


def test_this_model_enters_first_and_once(tmp_path):
    setting = Setting(preset("tinysam2"), "torch", "fp32", 1, tmp_path)
    assert [name for name, _ in entrants(setting, ("EdgeTAM",), True, ())] == [OURS, "EdgeTAM"]


def test_edgetams_encoder_is_only_that_of_the_same_size():
    assert encoder_is_edgetams(preset("tinysam2"))
    assert not encoder_is_edgetams(preset("tinysam2-512"))
    assert not encoder_is_edgetams(preset("nano"))


def test_the_int8_peak_is_measured_where_it_is_needed():
    assert precisions_of_peak(True, "int8") == ("fp32", "int8")
    assert precisions_of_peak(True, "fp32") == ("fp32",)
    assert precisions_of_peak(False, "int8") == ("fp32",)


def test_an_error_is_told_by_its_kind_and_first_line():
    assert first_line(ValueError("\n  no such operator\nmore")) == "ValueError: no such operator"
    assert first_line(KeyError()) == "KeyError"


def test_the_other_package_of_edgetam_is_accounted_for():
    assert own_package().startswith(f"{OWN_PACKAGE} (EdgeTAM's own package): not ")


def test_a_spread_has_all_its_figures_in_json(found):
    assert set(found["contenders"][0][FRAME]) == {"median", "lower", "upper", "least", "count"}
