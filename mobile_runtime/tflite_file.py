"""A `.tflite` file as TensorFlow Lite's own schema describes it, opened in one place for all that read it."""

from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.flatbuffer_size import check_size
from tinysam2.mobile_runtime.parsing import parsed

KIND = ".tflite"


def open_tflite(path: Path) -> tuple[bytes, schema.ModelT]:
    """A file's bytes, and the model in them. Raises InputError where it cannot be read."""
    with parsed(path, KIND):
        data = path.read_bytes()
        if not schema.Model.ModelBufferHasIdentifier(data, 0):
            raise InputError(f"{path} is not a .tflite file; it is corrupt or something else, convert again")
        root = schema.Model.GetRootAs(data, 0)
        check_size(root)
        return data, schema.ModelT.InitFromObj(root)
