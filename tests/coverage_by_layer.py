"""Prints the statement coverage of the last `pytest --cov` by layer: `python -m tests.coverage_by_layer`."""

from collections import Counter
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parents[1]
PARTED = ("tinysam2", "models", "validation")
"""Folders whose subfolders are layers of their own."""


def layer_of(path: Path) -> str:
    parts = path.parts
    return "/".join(parts[:2]) if parts[0] in PARTED and len(parts) > 2 else parts[0]


def main() -> None:
    data = coverage.Coverage()
    data.load()
    statements, missed = Counter(), Counter()
    # jinja2 compiles templates under the template's own name, so coverage lists pages and style sheets too.
    for file in (name for name in data.get_data().measured_files() if name.endswith(".py")):
        layer = layer_of(Path(file).resolve().relative_to(ROOT))
        _, lines, _, absent, _ = data.analysis2(file)
        statements[layer] += len(lines)
        missed[layer] += len(absent)
    print(f"{'layer':<26}{'statements':>11}{'missed':>8}{'covered':>9}")
    rows = [(layer, statements[layer], missed[layer]) for layer in sorted(+statements)]
    for layer, lines, absent in [*rows, ("all", statements.total(), missed.total())]:
        print(f"{layer:<26}{lines:>11,}{absent:>8,}{1 - absent / lines:>9.1%}")


if __name__ == "__main__":
    main()
