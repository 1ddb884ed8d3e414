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
def test_no_error_is_logged_and_nothing_is_requested(browser, failing_page, width, scheme):
    browser.open(failing_page, width, scheme=scheme)
    browser.evaluate("Promise.all([...document.images].map(image => image.decode())).then(() => true)")
    faults = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Network.loadingFailed"}
    assert [event for event in browser.events if event[0] in faults] == []
    asked = [e["request"]["url"] for name, e in browser.events if name == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [failing_page.as_uri()]


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_nothing_is_wider_than_the_window(browser, failing_page, width, scheme):
    browser.open(failing_page, width, scheme=scheme)
    browser.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    outside = browser.evaluate(
        "[...document.querySelectorAll('main *, header *')].filter(e => !e.closest('.scroll') && !e.closest('svg')"
        f" && !e.closest('.unseen') && e.getBoundingClientRect().right > {width}).map(e => e.outerHTML.slice(0, 200))"
    )
    assert outside == []


@pytest.mark.parametrize("width", [390, 1280])
def test_all_pictures_are_drawn_and_said_in_words(browser, page, shots, width):
    browser.open(page, width)
    pictures = browser.evaluate(
        "Promise.all([...document.images].map(image => image.decode())).then(() => [...document.images].map("
        "i => [i.naturalWidth, i.naturalHeight, i.clientWidth, i.alt]))"
    )
    assert len(pictures) == len(shots) * (1 + 2 * 3)
    for natural_width, natural_height, shown_width, words in pictures:
        assert (natural_width, natural_height) == (shots[0].width, shots[0].height)
        assert shown_width > 100
        assert words


def test_every_figure_is_the_jsons(browser, failing_page, failing_report):
    browser.open(failing_page, 1280)
    figures = browser.evaluate(
        "[...document.querySelectorAll('data')].map(e => [e.dataset.json, e.value, e.textContent])"
    )
    assert len(figures) > 100
    for pointer, value, text in figures:
        assert float(value) == resolve(failing_report, pointer), pointer
        number, _, unit = text.partition(" ")
        # Half a unit of the last digit that is written.
        _, _, digits = number.partition(".")
        exponent = int(number.partition("e")[2] or 0)
        near = 0.5000001 * 10.0 ** (exponent - len(digits.partition("e")[0])) * SCALES.get(unit, 1)
        assert float(number.replace(",", "")) * SCALES.get(unit, 1) == pytest.approx(float(value), abs=near), pointer


def test_every_gate_and_program_of_every_target_is_on_the_page(browser, page, report):
    browser.open(page, 1280)
    shown = set(browser.evaluate("[...document.querySelectorAll('data')].map(e => e.dataset.json)"))
    for index, target in enumerate(report["targets"]):
        at = f"/targets/{index}"
        assert {f"{at}/gates/{i}/value" for i in range(len(target["gates"]))} <= shown
        assert {f"{at}/programs/{i}/sqnr_db" for i in range(len(target["programs"]))} <= shown
        assert {f"{at}/chain/mean_iou", f"{at}/chain/min_iou", f"{at}/chain/clips/0/score/JF"} <= shown


@pytest.mark.parametrize("width", [390, 1280])
def test_every_clip_and_state_is_on_the_page_with_both_jf(browser, tmp_path, report_of_several, width):
    write_report(tmp_path / "several.html", report_of_several)
    browser.open(tmp_path / "several.html", width)
    shown = set(browser.evaluate("[...document.querySelectorAll('data')].map(e => e.dataset.json)"))
    for index in range(3):
        chain = f"/targets/{index}/chain"
        for clip in (0, 2):
            names = ("score/JF", "float_score/JF", "points_lost", "mean_iou", "sqnr_by_state/evicting")
            assert {f"{chain}/clips/{clip}/{name}" for name in names} <= shown
        assert {f"{chain}/score/JF", f"{chain}/float_score/JF", f"{chain}/sqnr_by_state/prompted again"} <= shown
    assert {f"/states/{state}/made" for state in report_of_several["states"]} <= shown
    text = browser.evaluate("document.body.innerText")
    assert text.count("not scored") == 3
    assert "Not covered: two objects." in text
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_verdicts_come_first_and_failures_are_sentences(browser, failing_page):
    browser.open(failing_page, 390)
    text = browser.evaluate("document.body.innerText")
    assert text.lstrip().startswith("1 of 3 targets failed")
    assert text.index("FAILED" if "FAILED" in text else "failed") < text.index("Masks\n")
    assert "tflite, clip: least mask IoU is 0.41 and must be at least 0.99." in text
    assert "What failed" in text


def test_a_passing_report_has_no_list_of_failures(browser, page):
    browser.open(page, 390)
    text = browser.evaluate("document.body.innerText")
    assert text.lstrip().startswith("All 3 targets passed")
    assert "What failed" not in text


def test_a_report_without_pictures_has_no_gallery(browser, tmp_path, report):
    write_report(tmp_path / "plain.html", report)
    browser.open(tmp_path / "plain.html", 390)
    assert browser.evaluate("document.images.length") == 0
    assert browser.evaluate("document.getElementById('masks')") is None


def test_light_and_dark_both_have_contrast(browser, page):
    papers = {}
    for scheme in ("light", "dark"):
        browser.open(page, 390, scheme=scheme)
        ink, paper, soft = browser.evaluate(
            "(() => { const b = getComputedStyle(document.body), s = getComputedStyle(document.querySelector('.soft'));"
            " return [b.color, b.backgroundColor, s.color]; })()"
        )
        assert contrast(ink, paper) >= 7
        assert contrast(soft, paper) >= 4.5
        papers[scheme] = paper
    assert luminance(papers["light"]) > 0.8 > 0.1 > luminance(papers["dark"])


def test_targets_are_told_apart_by_pattern_not_by_colour(browser, page):
    browser.open(page, 390)
    fills = browser.evaluate("[...document.querySelectorAll('.key svg rect')].map(r => r.getAttribute('fill'))")
    assert len(set(fills[:3])) == 3


def test_the_page_has_no_script_and_forbids_requests(page):
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert re.search(r"""Content-Security-Policy" content="default-src 'none'""", html)
    assert not re.search(r"""(src|href)="(?!data:|#)""", html)


def test_a_clip_of_any_name_stays_text(browser, tmp_path, report):
    report["clips"][0]["name"] = "<img src=x onerror=alert(1)>"
    write_report(tmp_path / "odd.html", report)
    browser.open(tmp_path / "odd.html", 390)
    assert browser.evaluate("document.images.length") == 0
    assert "<img src=x onerror=alert(1)>" in browser.evaluate("document.body.innerText")


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it, of an `rgb(...)`."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
