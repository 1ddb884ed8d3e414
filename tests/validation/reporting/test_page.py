"""The page in a real browser: no error, no request, all pictures drawn, and the figures of the JSON."""

import re

import pytest

from tinysam2.validation.reporting.formats import write_report
from tinysam2.validation.reporting.page import resolve

VIEWS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]
SCALES = {"KiB": 2**10, "MiB": 2**20, "%": 0.01}


@pytest.fixture
def page(tmp_path, report, shots):
    path = tmp_path / "report.html"
    write_report(path, report, shots)
    return path


@pytest.fixture
def failing_page(tmp_path, failing_report, shots):
    path = tmp_path / "failing.html"
    write_report(path, failing_report, shots)
    return path


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_no_error_is_logged_and_nothing_is_requested(window, failing_page, width, scheme):
    faults, asked = [], []
    view = window(width, scheme)
    for event in ("console", "pageerror", "requestfailed"):
        view.on(event, lambda fault: faults.append(str(fault)))
    view.on("request", lambda request: asked.append(request.url))
    view.goto(failing_page.as_uri())
    view.evaluate("Promise.all([...document.images].map(image => image.decode())).then(() => true)")
    assert faults == []
    assert [url for url in asked if not url.startswith("data:")] == [failing_page.as_uri()]


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_nothing_is_wider_than_the_window(window, failing_page, width, scheme):
    view = window(width, scheme)
    view.goto(failing_page.as_uri())
    view.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    outside = view.evaluate(
        "[...document.querySelectorAll('main *, header *')].filter(e => !e.closest('.scroll') && !e.closest('svg')"
        f" && !e.closest('.unseen') && e.getBoundingClientRect().right > {width}).map(e => e.outerHTML.slice(0, 200))"
    )
    assert outside == []


@pytest.mark.parametrize("width", [390, 1280])
def test_all_pictures_are_drawn_and_said_in_words(window, page, shots, width):
    view = window(width)
    view.goto(page.as_uri())
    pictures = view.evaluate(
        "Promise.all([...document.images].map(image => image.decode())).then(() => [...document.images].map("
        "i => [i.naturalWidth, i.naturalHeight, i.clientWidth, i.alt]))"
    )
    assert len(pictures) == len(shots) * (1 + 2 * 3)
    for natural_width, natural_height, shown_width, words in pictures:
        assert (natural_width, natural_height) == (shots[0].width, shots[0].height)
        assert shown_width > 100
        assert words


def test_every_figure_is_the_jsons(window, failing_page, failing_report):
    view = window(1280)
    view.goto(failing_page.as_uri())
    figures = view.evaluate("[...document.querySelectorAll('data')].map(e => [e.dataset.json, e.value, e.textContent])")
    assert len(figures) > 100
    for pointer, value, text in figures:
        assert float(value) == resolve(failing_report, pointer), pointer
        number, _, unit = text.partition(" ")
        # Half a unit of the last digit that is written.
        _, _, digits = number.partition(".")
        exponent = int(number.partition("e")[2] or 0)
        near = 0.5000001 * 10.0 ** (exponent - len(digits.partition("e")[0])) * SCALES.get(unit, 1)
        assert float(number.replace(",", "")) * SCALES.get(unit, 1) == pytest.approx(float(value), abs=near), pointer


def test_every_gate_and_program_of_every_target_is_on_the_page(window, page, report):
    view = window(1280)
    view.goto(page.as_uri())
    shown = set(view.evaluate("[...document.querySelectorAll('data')].map(e => e.dataset.json)"))
    for index, target in enumerate(report["targets"]):
        at = f"/targets/{index}"
        assert {f"{at}/gates/{i}/value" for i in range(len(target["gates"]))} <= shown
        assert {f"{at}/programs/{i}/sqnr_db" for i in range(len(target["programs"]))} <= shown
        assert {f"{at}/chain/mean_iou", f"{at}/chain/min_iou", f"{at}/chain/clips/0/score/JF"} <= shown


@pytest.mark.parametrize("width", [390, 1280])
def test_every_clip_and_state_is_on_the_page_with_both_jf(window, tmp_path, report_of_several, width):
    write_report(tmp_path / "several.html", report_of_several)
    view = window(width)
    view.goto((tmp_path / "several.html").as_uri())
    shown = set(view.evaluate("[...document.querySelectorAll('data')].map(e => e.dataset.json)"))
    for index in range(3):
        chain = f"/targets/{index}/chain"
        for clip in (0, 2):
            names = ("score/JF", "float_score/JF", "points_lost", "mean_iou", "sqnr_by_state/evicting")
            assert {f"{chain}/clips/{clip}/{name}" for name in names} <= shown
        assert {f"{chain}/score/JF", f"{chain}/float_score/JF", f"{chain}/sqnr_by_state/prompted again"} <= shown
    assert {f"/states/{state}/made" for state in report_of_several["states"]} <= shown
    text = view.evaluate("document.body.innerText")
    assert text.count("not scored") == 3
    assert "Not covered: two objects." in text
    assert view.evaluate("document.documentElement.scrollWidth") <= width


def test_verdicts_come_first_and_failures_are_sentences(window, failing_page):
    view = window(390)
    view.goto(failing_page.as_uri())
    text = view.evaluate("document.body.innerText")
    assert text.lstrip().startswith("1 of 3 targets failed")
    assert text.index("FAILED" if "FAILED" in text else "failed") < text.index("Masks\n")
    assert "tflite, clip: least mask IoU is 0.41 and must be at least 0.99." in text
    assert "What failed" in text


def test_a_passing_report_has_no_list_of_failures(window, page):
    view = window(390)
    view.goto(page.as_uri())
    text = view.evaluate("document.body.innerText")
    assert text.lstrip().startswith("All 3 targets passed")
    assert "What failed" not in text


def test_a_report_without_pictures_has_no_gallery(window, tmp_path, report):
    write_report(tmp_path / "plain.html", report)
    view = window(390)
    view.goto((tmp_path / "plain.html").as_uri())
    assert view.evaluate("document.images.length") == 0
    assert view.evaluate("document.getElementById('masks')") is None


def test_light_and_dark_both_have_contrast(window, page):
    papers = {}
    for scheme in ("light", "dark"):
        view = window(390, scheme)
        view.goto(page.as_uri())
        ink, paper, soft = view.evaluate(
            "(() => { const b = getComputedStyle(document.body), s = getComputedStyle(document.querySelector('.soft'));"
            " return [b.color, b.backgroundColor, s.color]; })()"
        )
        assert contrast(ink, paper) >= 7
        assert contrast(soft, paper) >= 4.5
        papers[scheme] = paper
    assert luminance(papers["light"]) > 0.8 > 0.1 > luminance(papers["dark"])


def test_targets_are_told_apart_by_pattern_not_by_colour(window, page):
    view = window(390)
    view.goto(page.as_uri())
    fills = view.evaluate("[...document.querySelectorAll('.key svg rect')].map(r => r.getAttribute('fill'))")
    assert len(set(fills[:3])) == 3


def test_the_page_has_no_script_and_forbids_requests(page):
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert re.search(r"""Content-Security-Policy" content="default-src 'none'""", html)
    assert not re.search(r"""(src|href)="(?!data:|#)""", html)


def test_a_clip_of_any_name_stays_text(window, tmp_path, report):
    report["clips"][0]["name"] = "<img src=x onerror=alert(1)>"
    write_report(tmp_path / "odd.html", report)
    view = window(390)
    view.goto((tmp_path / "odd.html").as_uri())
    assert view.evaluate("document.images.length") == 0
    assert "<img src=x onerror=alert(1)>" in view.evaluate("document.body.innerText")


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it, of an `rgb(...)`."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
