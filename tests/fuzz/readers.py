"""The readers that can be fuzzed: how each is called, and small valid files to begin with."""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FuzzedReader:
    """name: of the file, in folders where its reader wants them. load: imports the reader. seeds: valid files.

    instrumented: packages whose Python code guides the run.
    """

    name: str
    load: Callable[[], Callable[[Path], Any]]
    seeds: Callable[[], Iterator[bytes]]
    instrumented: tuple[str, ...] = ("tinysam2",)


def _load_png() -> Callable[[Path], Any]:
    from tinysam2.data.clips import read_picture
    from tinysam2.data.masks import read_mask

    def both(path: Path) -> None:
        read_picture(path)
        read_mask(path)

    return both


def _png_seeds() -> Iterator[bytes]:
    from PIL import Image

    for mode in ("L", "P", "1", "RGB"):
        file = io.BytesIO()
        image = Image.new(mode, (8, 6), 1)
        image.save(file, "PNG")
        yield file.getvalue()


def _load_video() -> Callable[[Path], Any]:
    from tinysam2.data.seeking import DecodedFrames
    from tinysam2.data.video import open_video

    def read(path: Path) -> None:
        video = open_video(path)
        list(video.read_frames())
        DecodedFrames().frame(video, 1)

    return read


def _video_seeds() -> Iterator[bytes]:
    import numpy as np

    from tinysam2.data.overlay import VideoWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        with VideoWriter(path, 24) as writer:
            for index in range(4):
                writer.write(np.full((32, 48, 3), 40 * index, np.uint8))
        yield path.read_bytes()


def _load_safetensors() -> Callable[[Path], Any]:
    from tinysam2.core.config import preset
    from tinysam2.models.weights.checkpoint import load_model
    from tinysam2.models.weights.importing.reading import read_state

    config = preset("nano")

    def both(path: Path) -> None:
        read_state(path)
        load_model(config, path, quantized=None)

    return both


def _safetensors_seeds() -> Iterator[bytes]:
    import torch
    from safetensors.torch import save

    yield save({"a": torch.ones(2, 3), "b": torch.zeros(2)}, {"licence": "MIT", "trained_on": '["DAVIS"]'})
    yield save({"a": torch.ones(2, dtype=torch.int8)}, {"recipe": "[]"})


def _load_sav() -> Callable[[Path], Any]:
    from tinysam2.data.datasets.sav import read_masklets

    return lambda path: read_masklets(path).painted(0)


def _sav_seeds() -> Iterator[bytes]:
    mask = {"size": [16, 24], "counts": "T24<00000l7"}
    told = {"video_frame_count": 2.0, "video_height": 16.0, "video_width": 24.0, "masklet_id": [0], "masklet": [[mask]]}
    yield json.dumps(told).encode()


def _load_prompts() -> Callable[[Path], Any]:
    from tinysam2.data.clips import Clip
    from tinysam2.data.prompts_file import prompts_by_frame, read_prompts_file

    clip = Clip("pond", 96, 72, 24.0, 4, lambda: iter(()))
    return lambda path: prompts_by_frame(read_prompts_file(path), clip)


def _prompts_seeds() -> Iterator[bytes]:
    entry = {"frame": 0, "object": 1}
    yield json.dumps([{**entry, "points": [[4, 3, 0]], "box": [1, 2, 9, 9]}]).encode()
    yield json.dumps([{**entry, "mask": "a.png"}]).encode()
    yield json.dumps([{**entry, "points": [[4, 3]]}, {"frame": 2, "object": 1, "remove": True}]).encode()


def _load_card() -> Callable[[Path], Any]:
    from tinysam2.core.artifacts import read_card
    from tinysam2.core.targets import target

    return lambda path: read_card(path.parent, target("tflite"))


def _card_seeds() -> Iterator[bytes]:
    from tinysam2.core.artifacts import ArtifactCard
    from tinysam2.core.config import preset
    from tinysam2.core.contract import program_contract

    files = dict.fromkeys(program_contract(preset("nano")), "model.tflite")
    card = ArtifactCard("tflite", "nano", "fp32", "float32", files, "w", "ab", True, {"a": "1"})
    yield json.dumps(asdict(card)).encode()


def _load_pte() -> Callable[[Path], Any]:
    from tinysam2.mobile_runtime.memory.pte import read_pte_memory

    return lambda path: read_pte_memory(path, {})


def _pte_seeds() -> Iterator[bytes]:
    import torch
    from executorch.exir import to_edge

    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())
    yield to_edge(torch.export.export(model.eval(), (torch.ones(1, 4),))).to_executorch().buffer


def _load_tflite() -> Callable[[Path], Any]:
    from tinysam2.mobile_runtime.memory.tflite import read_tflite_memory

    return lambda path: read_tflite_memory(path, {})


def _tflite_seeds() -> Iterator[bytes]:
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    tensor, graph, signature, border = schema.TensorT(), schema.SubGraphT(), schema.SignatureDefT(), schema.TensorMapT()
    model, buffer, operator, code = schema.ModelT(), schema.BufferT(), schema.OperatorT(), schema.OperatorCodeT()
    tensor.name, tensor.shape = b"in", np.array([1, 4], np.int32)
    border.name, border.tensorIndex = b"image", 0
    operator.inputs = operator.outputs = graph.inputs = graph.outputs = np.array([0], np.int32)
    graph.tensors, graph.operators = [tensor], [operator]
    signature.signatureKey, signature.inputs, signature.outputs = b"program", [border], [border]
    model.version, model.subgraphs, model.signatureDefs = 3, [graph], [signature]
    model.buffers, model.operatorCodes = [buffer], [code]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    yield bytes(builder.Output())


MODEL_ITEM = {"author": "com.apple.CoreML", "name": "model.mlmodel", "path": "com.apple.CoreML/model.mlmodel"}
MODEL_PLACE = f"a.mlpackage/Data/{MODEL_ITEM['path']}"


def _load_mlpackage() -> Callable[[Path], Any]:
    from tinysam2.mobile_runtime.mil.loading import load_graph

    def read(model: Path) -> None:
        package = model.parents[2]
        told = {"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": MODEL_ITEM}, "rootModelIdentifier": "A"}
        (package / "Manifest.json").write_text(json.dumps(told))
        load_graph(package, None)

    return read


def _mlpackage_seeds() -> Iterator[bytes]:
    import coremltools as ct
    from coremltools.converters.mil import Builder

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 4))])
    def program(x):
        return Builder.relu(x=x)

    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "a.mlpackage"
        ct.convert(program, convert_to="mlprogram", skip_model_load=True).save(str(package))
        yield (package / "Data" / MODEL_ITEM["path"]).read_bytes()


READERS = {
    "png": FuzzedReader("a.png", _load_png, _png_seeds, ("tinysam2", "PIL")),
    "video": FuzzedReader("a.mp4", _load_video, _video_seeds),
    "safetensors": FuzzedReader("a.safetensors", _load_safetensors, _safetensors_seeds),
    "sav-json": FuzzedReader("a.json", _load_sav, _sav_seeds),
    "prompts-json": FuzzedReader("a.json", _load_prompts, _prompts_seeds),
    "card-json": FuzzedReader("tflite.json", _load_card, _card_seeds),
    "pte": FuzzedReader("a.pte", _load_pte, _pte_seeds, ("tinysam2", "executorch.exir._serialize")),
    "tflite": FuzzedReader("a.tflite", _load_tflite, _tflite_seeds, ("tinysam2", "ai_edge_litert.schema_py_generated")),
    "mlpackage": FuzzedReader(MODEL_PLACE, _load_mlpackage, _mlpackage_seeds, ("tinysam2", "coremltools")),
}
