"""What a run found, as JSON: times, rates, shares of the processor's peak, and ratios."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.frame.contenders import FLOAT32, OURS, Contender
from benchmarks.frame.programs import GEMM, GEMM_MACS
from benchmarks.frame.timing import CLOCKS, WALL, Clock, Rounds, Spread, in_turn, ratio, summed
from tinysam2.core.targets import INT8
from tinysam2.models.quantization.recipe import PROGRAMS

FRAME = "frame"

Key = tuple[str, str]
"""A contender's key, and a program."""

Peaks = Mapping[str, Callable[[], object]]
"""Precision -> what measures the peak of the runtime's matrix products."""


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates of one program: all, and those of two activations, which stay float in int8."""

    macs: int
    product_macs: int

    def least_seconds(self, precision: str, peaks: Mapping[str, float]) -> float | None:
        """How long they take at the peaks, in multiply-accumulates a second; None where one is not known."""
        by_number = {precision: self.macs - self.product_macs}
        by_number[FLOAT32] = by_number.get(FLOAT32, 0) + self.product_macs
        if any(macs and number not in peaks for number, macs in by_number.items()):
            return None
        return sum(macs / peaks[number] for number, macs in by_number.items() if macs)


@dataclass(frozen=True)
class Measured:
    """Seconds of every contender's programs and of the peaks' products, by round."""

    contenders: Sequence[Contender]
    programs: Mapping[Key, Rounds]
    peaks: Mapping[str, Rounds]

    @classmethod
    def of(
        cls,
        contenders: Sequence[Contender],
        peaks: Peaks,
        rounds: int,
        progress: Callable[[int], None] = lambda rounds_done: None,
        clock: Clock = CLOCKS[WALL],
    ) -> "Measured":
        """Runs everything in turn: a program of one contender stands next to the same program of the others."""
        calls: dict[Key, Callable[[], object]] = {(GEMM, precision): call for precision, call in peaks.items()}
        for program in PROGRAMS:
            for contender in contenders:
                if program in contender.calls:
                    calls[contender.key, program] = contender.calls[program]
        taken = in_turn(calls, rounds, progress, clock)
        of_programs = {key: taken[key] for key in taken if key[0] != GEMM}
        return cls(contenders, of_programs, {precision: taken[GEMM, precision] for precision in peaks})

    def rounds_of(self, contender: Contender, program: str) -> Rounds | None:
        """Seconds of a program, ours where it is borrowed, or of the whole frame; None where it has none."""
        if program == FRAME:
            parts = [self.rounds_of(contender, part) for part in PROGRAMS]
            known = [part for part in parts if part is not None]
            return summed(known) if len(known) == len(parts) else None
        owner = self._lender(contender) if program in contender.borrowed else contender
        return None if owner is None else self.programs.get((owner.key, program))

    def peak_rates(self) -> dict[str, Spread]:
        """Precision -> multiply-accumulates a second of large products."""
        return {
            precision: Spread.of([GEMM_MACS / seconds for seconds in rounds.values()])
            for precision, rounds in self.peaks.items()
        }

    def _lender(self, borrower: Contender) -> Contender | None:
        """Our model in the same runtime and precision."""
        same = (borrower.runtime, borrower.precision)
        lenders = (c for c in self.contenders if c.name == OURS and (c.runtime, c.precision) == same)
        return next(lenders, None)


def report(measured: Measured, work: Mapping[str, Mapping[str, Work]], memory: Mapping[str, int | None]) -> dict:
    """The figures as JSON. work: contender's name -> program. memory: by contender's key."""
    peaks = measured.peak_rates()
    medians = {precision: spread.median for precision, spread in peaks.items()}
    return {
        "peak_macs_per_second": {precision: asdict(spread) for precision, spread in peaks.items()},
        "contenders": [
            {
                "name": contender.name,
                "runtime": contender.runtime,
                "precision": contender.precision,
                "file_bytes": contender.file_bytes,
                "peak_memory_bytes": memory.get(contender.key),
                "programs": {
                    program: _program(measured, contender, program, work[contender.name][program], medians)
                    for program in PROGRAMS
                },
                FRAME: _seconds(measured.rounds_of(contender, FRAME)),
            }
            for contender in measured.contenders
        ],
        "ratios": _ratios(measured),
    }


def _program(
    measured: Measured, contender: Contender, program: str, work: Work, peaks: Mapping[str, float]
) -> dict[str, object]:
    rounds = measured.rounds_of(contender, program)
    if not rounds:
        return {"macs": work.macs, "missing": contender.missing.get(program, "not measured")}
    median = Spread.of(list(rounds.values())).median
    # The peaks are those of the first contender's runtime.
    in_same = contender.runtime == measured.contenders[0].runtime
    least = work.least_seconds(contender.precision, peaks) if in_same else None
    return {
        "macs": work.macs,
        "seconds": _seconds(rounds),
        "macs_per_second": work.macs / median,
        "share_of_peak": None if least is None else least / median,
        "borrowed": program in contender.borrowed,
    }


def _seconds(rounds: Rounds | None) -> dict | None:
    return asdict(Spread.of(list(rounds.values()))) if rounds else None


def _ratios(measured: Measured) -> dict[str, dict[str, dict | None]]:
    """The first contender's times over every other's, by program and for the frame."""
    first, *others = measured.contenders
    found: dict[str, dict[str, dict | None]] = {}
    for other in others:
        found[other.key] = {}
        for program in (*PROGRAMS, FRAME):
            ours, theirs = measured.rounds_of(first, program), measured.rounds_of(other, program)
            spread = ratio(ours, theirs) if ours and theirs else None
            found[other.key][program] = None if spread is None else asdict(spread)
    return found


def precisions_of_peak(runtime_is_lowered: bool, precision: str) -> tuple[str, ...]:
    """The precisions whose peak a run measures: float always, int8 where a runtime has it and it is asked for."""
    return (FLOAT32, INT8) if runtime_is_lowered and precision == INT8 else (FLOAT32,)
