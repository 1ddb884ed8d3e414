"""Coverage-guided fuzzing of one reader: `python -m tests.fuzz READER --seconds N` (needs atheris)."""

import argparse
import contextlib
import importlib
import logging
import sys
import tempfile
import warnings
from pathlib import Path

from tests.fuzz.readers import READERS


def main() -> None:
    """Runs until the time is over (status 0) or a reader raises anything but InputError (status not 0)."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--corpus", type=Path, help="folder of inputs to begin with, and where new ones are kept")
    options = parser.parse_args()
    # Imported by name: it is a tool of this command alone, not a dependency.
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit("error: atheris is not installed; run: pip install atheris")
    warnings.simplefilter("ignore")
    logging.disable()
    reader = READERS[options.reader]
    with atheris.instrument_imports(include=list(reader.instrumented)):
        read = reader.load()
    from tinysam2.core.errors import InputError

    scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
    corpus = options.corpus or scratch / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    file = scratch / reader.name
    file.parent.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(reader.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
        file.write_bytes(seed)
        # Not suppressed: a reader that refuses the seeds is fuzzed no further than its first check.
        read(file)

    def once(content: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        with contextlib.suppress(InputError):
            read(file)

    flags = [f"-max_total_time={options.seconds}", "-timeout=30", "-rss_limit_mb=4096", "-print_final_stats=1"]
    mutators = {}
    if reader.mutate:
        # Now and then the bytes themselves, since a file may be damaged anywhere.
        def mutate(content: bytes, max_size: int, seed: int) -> bytes:
            bytewise = seed % 4 == 0
            return (atheris.Mutate(content, max_size) if bytewise else reader.mutate(content, seed))[:max_size]

        mutators["custom_mutator"] = mutate
    atheris.Setup([sys.argv[0], *flags, str(corpus)], once, **mutators)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
