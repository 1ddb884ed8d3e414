"""Gates on a replay of golden vectors, whether it ran here or on a device."""

from collections.abc import Iterator, Mapping

import numpy as np

from tinysam2.scoring.metrics import MAX_SQNR_DB
from tinysam2.validation.gate import Gate
from tinysam2.validation.golden.reading import Golden
from tinysam2.validation.golden.replay import digest
from tinysam2.validation.parity.check import UNITS

SMALLEST_SHARE = 0.01
"""Share of a frame that an object must cover for its mask IoU on that frame to count towards the least: of fewer pixels
one more or less decides. It counts towards the mean."""

SAME_RUNTIME = "the recorded outputs of the same artifact; limits are those of parity: docs/bundles.md#tolerances"
EXACT = "resizing is whole numbers, or sums in a fixed order: docs/bundles.md#tolerances"


def golden_gates(golden: Golden, target: str, results: Mapping) -> Iterator[Gate]:
    """Verdicts on what `replay` gave of a target, or a device's replay. What is missing there fails."""
    yield from _program_gates(golden, target, results["programs"])
    yield _preprocessing_gate(golden, results["preprocessing"])
    yield from _trace_gates(golden, target, results["trace"])


def _program_gates(golden: Golden, target: str, found: list) -> Iterator[Gate]:
    """One a program: the least SQNR of its outputs in any of its entries."""
    entries = golden.programs(target)
    least: dict[str, tuple[float, float, str]] = {}
    for number, entry in enumerate(entries):
        result = found[number] if number < len(found) else None
        program = entry["program"]
        for name, tensor in entry["outputs"].items():
            value, what = -MAX_SQNR_DB, f"entry {number} is missing"
            if result is not None and _answers(result, entry):
                value, what = _sqnr_db(golden.tensors[tensor], name, result), f"{name} has the least"
            least[program] = min(least.get(program, (np.inf, 0.0, "")), (value, entry["least_sqnr_db"], what))
    for program, (value, limit, what) in least.items():
        yield Gate(program, "golden SQNR dB", value, limit, True, SAME_RUNTIME, what)
    yield Gate("programs", "entries beside the golden ones", max(0, len(found) - len(entries)), 0, False, SAME_RUNTIME)


def _answers(result: Mapping, entry: Mapping) -> bool:
    return result["program"] == entry["program"] and set(result["sqnr_db"]) == set(result["sha256"]) == set(
        entry["outputs"]
    )


def _sqnr_db(expected: np.ndarray, name: str, result: Mapping) -> float:
    """The SQNR told of an output, `MAX_SQNR_DB` where it is equal.

    A digest outweighs what is told beside it. A number near 0 is measured by its unit, as in parity.
    """
    if result["sha256"][name] == digest(expected):
        return MAX_SQNR_DB
    told = result["sqnr_db"][name]
    if told is None:
        return -MAX_SQNR_DB
    signal, unit = float(np.square(expected, dtype=np.float64).sum()), UNITS.get(name, 0.0) ** 2 * expected.size
    if 0 < signal < unit:
        told += 10 * np.log10(unit / signal)
    return float(np.clip(told, -MAX_SQNR_DB, MAX_SQNR_DB))


def _preprocessing_gate(golden: Golden, found: list) -> Gate:
    equal = {entry["index"] for entry in found if entry["equal"]}
    vectors = golden.index["preprocessing"]
    wrong = [f"{index} ({vector['kind']})" for index, vector in enumerate(vectors) if index not in equal]
    return Gate("preprocessing", "vectors that differ", len(wrong), 0, False, EXACT, ", ".join(wrong))


def _trace_gates(golden: Golden, target: str, found: list) -> Iterator[Gate]:
    trace = golden.index["trace"]
    expected, limits = trace["results"][target], trace["tolerance"][target]
    by_frame = {entry["frame"]: entry for entry in found}
    every, large, equal = [], [], 0
    for number, frame in enumerate(expected):
        entry, ids = by_frame.get(number), golden.tensors[frame["ids"]]
        same = entry is not None and entry["ids_sha256"] == digest(ids)
        equal += same
        for object_id in frame["objects"]:
            # Equal ids need no word for it; a frame or object that is missing is wrong.
            value = 1.0 if same else entry["iou"].get(object_id, 0.0) if entry else 0.0
            every.append(value)
            if (ids == int(object_id)).mean() >= SMALLEST_SHARE:
                large.append((value, f"frame {number}, object {object_id}"))
    exact = f"{equal} of {len(expected)} frames are equal in every pixel"
    yield Gate(
        "trace", "golden mean mask IoU", float(np.mean(every)), limits["least_mean_iou"], True, SAME_RUNTIME, exact
    )
    worst, where = min(large, default=(1.0, ""))
    yield Gate("trace", "golden least mask IoU", worst, limits["least_iou"], True, SAME_RUNTIME, where)
