"""Writes `schema_generated.py`: Python classes for XNNPACK's graph, from the schema in ExecuTorch's wheel."""

import re
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from executorch.backends.xnnpack import serialization
from executorch.exir._serialize._flatbuffer import _run_flatc

MODULE = Path(__file__).with_name("schema_generated.py")


def generated() -> str:
    """The module's text, by the flatc in the same wheel."""
    with tempfile.TemporaryDirectory() as folder, as_file(files(serialization) / "schema.fbs") as schema:
        _run_flatc(["--python", "--gen-onefile", "--gen-object-api", "-o", folder, str(schema)])
        text = (Path(folder) / MODULE.name).read_text(encoding="utf-8")
    # flatc 24.3.25 defines XnodeUnionCreator and calls XNodeUnionCreator; likewise of the two other unions.
    called = {name.lower(): name for name in re.findall(r"= (\w+Creator)\(", text)}
    return re.sub(r"(?<=^def )\w+Creator", lambda name: called[name[0].lower()], text, flags=re.MULTILINE)


if __name__ == "__main__":
    MODULE.write_text(generated(), encoding="utf-8")
