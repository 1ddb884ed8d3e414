"""A report in words: a table a question, and below them what could not be measured."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.frame.results import FRAME
from tinysam2.core.units import MIB
from tinysam2.models.quantization.recipe import PROGRAMS
from tinysam2.views.console import print_table

GIGA = 1e9

BORROWED = "(ours)"


def print_report(report: Mapping, title: str) -> None:
    """Prints milliseconds, rates and ratios."""
    print(f"{title}: median ms a frame of one object with a full bank, and quartiles")
    print_table(("", *PROGRAMS, FRAME, "files MiB", "peak MiB"), map(_times, report["contenders"]))
    first = report["contenders"][0]
    peaks = ", ".join(f"{name} {_rate(spread['median'])}" for name, spread in report["peak_macs_per_second"].items())
    print(f"GMACs a second, and share of the peak of this processor in {first['runtime']} ({peaks})")
    print_table(("", *PROGRAMS), map(_rates, report["contenders"]))
    if report["ratios"]:
        print(f"{first['name']} over the others: median of the rounds' ratios, and quartiles")
        print_table(("", *PROGRAMS, FRAME), [_ratios(name, of) for name, of in report["ratios"].items()])
    for line in missing_lines(report["contenders"]):
        print(line)


def missing_lines(contenders: Sequence[Mapping]) -> Iterator[str]:
    """A line a program that has no time, and why."""
    for contender in contenders:
        for program, of in contender["programs"].items():
            if "missing" in of:
                yield f"{_name(contender)}, {program}: {of['missing']}"


def _name(contender: Mapping) -> str:
    return f"{contender['name']}, {contender['runtime']} {contender['precision']}"


def _times(contender: Mapping) -> tuple[str, ...]:
    cells = [_cell(contender["programs"][program]) for program in PROGRAMS]
    sizes = (contender["file_bytes"], contender["peak_memory_bytes"])
    return (
        _name(contender),
        *cells,
        _spread(contender[FRAME], 1000, ".0f"),
        *("" if size is None else f"{size / MIB:.1f}" for size in sizes),
    )


def _cell(program: Mapping) -> str:
    if "missing" in program:
        return "-"
    return _spread(program["seconds"], 1000, ".0f") + (f" {BORROWED}" if program["borrowed"] else "")


def _rates(contender: Mapping) -> tuple[str, ...]:
    return _name(contender), *(_program_rate(contender["programs"][program]) for program in PROGRAMS)


def _program_rate(program: Mapping) -> str:
    if "missing" in program:
        return "-"
    share = program["share_of_peak"]
    return _rate(program["macs_per_second"]) + ("" if share is None else f" {share:.0%}")


def _ratios(name: str, ratios: Mapping) -> tuple[str, ...]:
    return name, *(_spread(ratios[program], 1, ".2f") for program in (*PROGRAMS, FRAME))


def _spread(spread: Mapping | None, factor: float, form: str) -> str:
    if spread is None:
        return "-"
    median, lower, upper = (format(factor * spread[key], form) for key in ("median", "lower", "upper"))
    return f"{median} ({lower}-{upper})"


def _rate(rate: float) -> str:
    return f"{rate / GIGA:.1f}"
