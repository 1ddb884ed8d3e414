"""The Markdown summary: a verdict, a line a target, and what failed."""

import re

from tinysam2.validation.reporting.markdown import render_markdown


def table_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_verdict_comes_first_and_every_target_has_its_line(report):
    text = render_markdown(report)
    assert text.startswith("## All 3 targets passed\n\nnano on koi: 5 frames of 96x72, 2 objects\n")
    header, rule, *rows = table_of(text)[:5]
    assert len({len(row) for row in (header, rule, *rows)}) == 1
    assert [row[:2] for row in rows] == [
        ["coreml fp16", "passed"],
        ["executorch fp32", "passed"],
        ["tflite fp32", "passed"],
    ]
    assert "What failed" not in text


def test_untrained_weights_are_told(report):
    assert "Untrained weights" in render_markdown(report)
    assert "Untrained weights" not in render_markdown(report | {"trained": True})


def test_every_failed_gate_is_a_sentence_with_its_reason(failing_report):
    text = render_markdown(failing_report)
    assert text.startswith("## 1 of 3 targets failed\n")
    [line] = [line for line in text.splitlines() if line.startswith("- ")]
    assert line.startswith("- **tflite**, clip: least mask IoU is 0.41 and must be at least 0.99 (kernels only")
    assert table_of(text)[4][1] == "**FAILED**"


def test_clips_stand_with_both_jf_and_those_that_regressed_stand_out(report_of_several):
    text = render_markdown(report_of_several)
    assert "nano on 3 clips: 15 frames, 5 objects" in text
    lines = [line.strip("|") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    assert [row[1:] for row in rows[5:]] == [
        ["float model J&F", "coreml fp16", "executorch fp32", "tflite fp32"],
        ["--:", "--:", "--:", "--:"],
        ["69.83 %", "69.83 %", "69.83 %", "69.83 %"],
        ["not scored", "IoU 0.9997", "IoU 0.9997", "IoU 0.9997"],
        ["69.83 %", "69.83 %", "69.83 %", "**64.83 %, regressed**"],
        ["69.83 %", "69.83 %", "69.83 %", "67.33 %"],
    ]


def test_states_of_the_bank_are_counted_and_those_that_were_not_met_are_named(report):
    [line] = [line for line in render_markdown(report).splitlines() if line.startswith("Memory bank")]
    assert "evicting 3, occluded 1 (1 made), prompted again 3; not covered: two objects." in line


def test_tensors_that_are_not_contiguous_are_named(report):
    report["targets"][1]["layouts"]["image_encoder"]["outputs"][0]["contiguous"] = False
    [line] = [line for line in render_markdown(report).splitlines() if line.startswith("Memory layout")]
    assert line == (
        "Memory layout: coreml not available; executorch 1 of 42 tensors not contiguous: image\\_encoder features; "
        "tflite all 42 tensors contiguous."
    )


def test_a_clip_of_any_name_stays_text(report):
    report["clips"][0]["name"] = "a|b <img src=x> [c](d) *e*\n# f @everyone"
    line = render_markdown(report).splitlines()[2]
    assert line.startswith(r"nano on a\|b \<img src=x\> \[c\](d) \*e\* \# f \@everyone:")
