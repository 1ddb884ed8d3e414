"""What a device's replay wrote is judged by the gates of the replay here."""

import json

import pytest

from tinysam2.core.errors import InputError
from tinysam2.core.targets import target
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.validation.bundles.files import manifest_sha256
from tinysam2.validation.bundles.page import render_verification
from tinysam2.validation.bundles.verify import verify_bundle
from tinysam2.validation.golden.reading import read_golden
from tinysam2.validation.golden.replay import replay


@pytest.fixture(scope="module")
def replayed(sound):
    return replay(read_golden(sound), "stand-in", load_artifacts(target("stand-in"), sound))


@pytest.fixture
def results(sound, replayed, tmp_path):
    """results(change): the file of a sound replay on a phone, after a change to it."""

    def write(change=lambda results: None):
        found = json.loads(json.dumps(replayed)) | {
            "results_version": 1,
            "manifest_sha256": manifest_sha256(sound),
            "target": "stand-in",
            "device": {"model": "Phone <1>", "os": "Android 16", "runtime_version": "1.0"},
            "latency_ms": {"frame": {"median": 12.5, "p90": 14.0}},
            "peak_memory_bytes": 50 << 20,
        }
        change(found)
        (tmp_path / "results.json").write_text(json.dumps(found))
        return tmp_path / "results.json"

    return write


def failed(verification) -> list[tuple[str, str]]:
    return [(gate.subject, gate.measure) for gate in verification.device.gates if not gate.passed]


def test_a_sound_replay_passes_and_has_a_column(sound, results):
    verification = verify_bundle(sound, "pocket", results())
    assert verification.passed
    told = verification.to_json()["device"]
    assert told["passed"] is True
    assert told["latency_ms"]["frame"]["median"] == 12.5
    page = render_verification(verification.to_json())
    assert "<th>device</th>" in page
    assert "Phone &lt;1&gt;, Android 16" in page


def set_sqnr(value):
    def change(results):
        results["programs"][0]["sqnr_db"]["features"] = value
        results["programs"][0]["sha256"]["features"] = "0" * 64

    return change


def test_an_error_within_the_tolerance_passes(sound, results):
    assert failed(verify_bundle(sound, "pocket", results(set_sqnr(101.0)))) == []


@pytest.mark.parametrize("value", [99.0, None])
def test_an_error_beyond_it_or_equality_that_the_digest_denies_fails(sound, results, value):
    verification = verify_bundle(sound, "pocket", results(set_sqnr(value)))
    assert failed(verification) == [("image_encoder", "golden SQNR dB")]
    assert not verification.passed


def test_a_missing_program_fails(sound, results):
    verification = verify_bundle(sound, "pocket", results(lambda found: found["programs"].pop()))
    assert failed(verification) == [("memory_encoder", "golden SQNR dB")]


def test_an_unequal_or_missing_preprocessing_vector_fails(sound, results):
    def change(found):
        found["preprocessing"][0]["equal"] = False
        found["preprocessing"].pop()

    [gate] = [g for g in verify_bundle(sound, "pocket", results(change)).device.gates if not g.passed]
    assert (gate.measure, gate.value) == ("vectors that differ", 2)


def test_a_trace_that_ends_early_fails(sound, results):
    verification = verify_bundle(sound, "pocket", results(lambda found: found.update(trace=found["trace"][:6])))
    assert ("trace", "golden mean mask IoU") in failed(verification)


def test_results_of_another_bundle_are_refused(sound, results):
    path = results(lambda found: found.update(manifest_sha256="0" * 64))
    with pytest.raises(InputError, match="of another bundle"):
        verify_bundle(sound, "pocket", path)


def test_results_of_a_target_that_the_bundle_has_not_are_refused(sound, results):
    with pytest.raises(InputError, match="the bundle has stand-in"):
        verify_bundle(sound, "pocket", results(lambda found: found.update(target="tflite")))


@pytest.mark.parametrize("text", ["", "{}", "[", '{"results_version": 2}', "[" * 100_000])
def test_what_is_no_results_file_is_refused(sound, tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError, match=r"r\.json"):
        verify_bundle(sound, "pocket", tmp_path / "r.json")
