"""A flatbuffer whose vectors seem to hold more tables than a reader could keep is refused before they are read."""

import pytest

pytest.importorskip("ai_edge_litert")

from ai_edge_litert import schema_py_generated as schema

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.flatbuffer_size import MOST_TABLES, check_size
from tinysam2.mobile_runtime.tflite_file import open_tflite


def model_of(subgraphs: int) -> bytes:
    """A model with that many subgraphs, each of them zeros, which are an empty table."""
    # Offset of the root, identifier; vtable: its size, the root's size, no version, no codes, place of the subgraphs.
    vtable = b"".join(number.to_bytes(2, "little") for number in (10, 8, 0, 0, 4, 0))
    head = (20).to_bytes(4, "little") + b"TFL3" + vtable
    root = (12).to_bytes(4, "little") + (4).to_bytes(4, "little")
    return head + root + subgraphs.to_bytes(4, "little") + bytes(4 * subgraphs)


def test_a_model_of_empty_subgraphs_is_one():
    assert schema.Model.GetRootAs(model_of(3), 0).SubgraphsLength() == 3
    check_size(schema.Model.GetRootAs(model_of(3), 0))


def test_more_tables_than_can_be_kept_are_refused(tmp_path):
    data = model_of(MOST_TABLES)
    with pytest.raises(ValueError, match=f"more than {MOST_TABLES} tables"):
        check_size(schema.Model.GetRootAs(data, 0))
    (tmp_path / "a.tflite").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tflite is not a readable \.tflite file"):
        open_tflite(tmp_path / "a.tflite")


def test_a_pte_whose_segments_are_larger_than_the_file_is_refused(tmp_path):
    pytest.importorskip("executorch")
    from executorch.exir import schema as pte
    from executorch.exir._serialize._program import PTEFile, serialize_pte_binary

    from tinysam2.mobile_runtime.pte_file import open_pte

    data = bytes(1000)
    program = pte.Program(
        0, [], [pte.Buffer(b"")], [pte.BackendDelegateInlineData(data)], [], pte.SubsegmentOffsets(0, [])
    )
    delegate = pte.BackendDelegate("X", pte.BackendDelegateDataReference(pte.DataLocation.INLINE, 0), [])
    program.execution_plan = [
        pte.ExecutionPlan("m", pte.ContainerMetadata("", ""), [], [], [], [], [], [delegate], [0])
    ]
    whole = bytes(serialize_pte_binary(PTEFile(program=program), extract_delegate_segments=True))
    (tmp_path / "a.pte").write_bytes(whole)
    assert len(open_pte(tmp_path / "a.pte").program.backend_delegate_data[0].data) == 1000
    size = (1000).to_bytes(8, "little")
    assert whole.count(size) >= 1
    (tmp_path / "a.pte").write_bytes(whole.replace(size, (2**40).to_bytes(8, "little")))
    with pytest.raises(InputError, match=r"a\.pte is not a readable \.pte file"):
        open_pte(tmp_path / "a.pte")
