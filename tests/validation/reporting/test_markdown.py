"""The Markdown summary: a verdict, a line a target, and what failed."""

from validation.reporting.markdown import render_markdown


def table_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_verdict_comes_first_and_every_target_has_its_line(report):
    text = render_markdown(report)
    assert text.startswith("## All 3 targets passed\n\nnano on koi: 5 frames of 96x72, 2 objects\n")
    header, rule, *rows = table_of(text)
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
    assert table_of(text)[-1][1] == "**FAILED**"


def test_a_clip_of_any_name_stays_text(report):
    report["clip"] = "a|b <img src=x> [c](d) *e*\n# f @everyone"
    line = render_markdown(report).splitlines()[2]
    assert line.startswith(r"nano on a\|b \<img src=x\> \[c\](d) \*e\* \# f \@everyone:")
