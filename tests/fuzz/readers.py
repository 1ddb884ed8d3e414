"""The readers that can be fuzzed: how each is called, and small valid files to begin with."""

import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz.mutators import mutated_header, mutated_model

if TYPE_CHECKING:
    from tinysam2.core.config import ModelConfig


@dataclass(frozen=True)
class FuzzedReader:
    """name: of the file, in folders where its reader wants them. load: imports the reader. seeds: valid files.

    instrumented: packages whose Python code guides the run. mutate: a file and a random seed -> another file, where
    changed bytes alone would seldom be read beyond their frame.
    """

    name: str
    load: Callable[[], Callable[[Path], Any]]
    seeds: Callable[[], Iterator[bytes]]
    instrumented: tuple[str, ...] = ("tinysam2",)
    mutate: Callable[[bytes, int], bytes] | None = None


def _load_picture() -> Callable[[Path], Any]:
    from tinysam2.data.clips import read_picture

    return read_picture


def _load_mask() -> Callable[[Path], Any]:
    from tinysam2.data.masks import read_mask

    return read_mask


def _png_seeds(*modes: str) -> Iterator[bytes]:
    from PIL import Image

    for mode in modes:
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


def _smallest_model() -> "ModelConfig":
    """A model whose checkpoints are small enough to be mutated."""
    from tinysam2.core.config import BankConfig, ModelConfig, RepViTConfig

    heads = {"decoder_heads": 1, "decoder_feedforward_dim": 4, "mask_embedding_dim": 4, "decoder_layers": 1}
    memory = {"memory_layers": 1, "memory_feedforward_dim": 4, "fuser_layers": 1, "fuser_expansion": 1}
    repvit, bank = RepViTConfig((2, 2, 2, 2), (1, 1, 1, 1)), BankConfig(slots=2, pointers=2, tokens_per_frame=1)
    return ModelConfig("smallest", 32, repvit, hidden_dim=16, memory_dim=4, bank=bank, **heads, **memory)


def _load_safetensors() -> Callable[[Path], Any]:
    from tinysam2.models.weights.checkpoint import load_model
    from tinysam2.models.weights.importing.reading import read_state

    config = _smallest_model()

    def both(path: Path) -> None:
        read_state(path)
        load_model(config, path, quantized=None)

    return both


def _safetensors_seeds() -> Iterator[bytes]:
    from safetensors.torch import save

    from tinysam2.models.quantization.conversion import freeze, quantization_aware
    from tinysam2.models.quantization.recipe import DEFAULT_RECIPE
    from tinysam2.models.weights.checkpoint import RECIPE, seeded_model

    model = seeded_model(_smallest_model())
    quantized = freeze(quantization_aware(model, DEFAULT_RECIPE))
    yield save(model.state_dict(), {"licence": "MIT", "trained_on": '["DAVIS"]'})
    yield save(quantized.state_dict(), {RECIPE: DEFAULT_RECIPE.to_json()})


def _load_sav() -> Callable[[Path], Any]:
    from tinysam2.data.datasets.sav import read_masklets

    return lambda path: read_masklets(path).painted(0)


def _sav_seeds() -> Iterator[bytes]:
    mask = {"size": [16, 24], "counts": "T24<00000l7"}
    told = {"video_frame_count": 2.0, "video_height": 16.0, "video_width": 24.0, "masklet_id": [0], "masklet": [[mask]]}
    yield json.dumps(told).encode()


def _load_prompts() -> Callable[[Path], Any]:
    from PIL import Image

    from tinysam2.data.clips import Clip
    from tinysam2.data.prompts_file import prompts_by_frame, read_prompts_file

    clip = Clip("pond", 96, 72, 24.0, 4, lambda: iter(()))

    def read(path: Path) -> None:
        mask = path.with_name("mask.png")
        if not mask.exists():
            Image.new("L", (96, 72), 255).save(mask)
        prompts_by_frame(read_prompts_file(path), clip)

    return read


def _prompts_seeds() -> Iterator[bytes]:
    entry = {"frame": 0, "object": 1}
    yield json.dumps([{**entry, "points": [[4, 3, 0]], "box": [1, 2, 9, 9]}]).encode()
    yield json.dumps([{**entry, "mask": "mask.png"}]).encode()
    yield json.dumps([{**entry, "points": [[4, 3]]}, {"frame": 2, "object": 1, "remove": True}]).encode()


CARD_ARTIFACT = b"an artifact"


def _load_card() -> Callable[[Path], Any]:
    from tinysam2.core.artifacts import read_card
    from tinysam2.core.targets import target

    def read(path: Path) -> None:
        (path.parent / "model.tflite").write_bytes(CARD_ARTIFACT)
        read_card(path.parent, target("tflite"))

    return read


def _card_seeds() -> Iterator[bytes]:
    from tinysam2.core.artifacts import ArtifactCard
    from tinysam2.core.config import preset
    from tinysam2.core.contract import program_contract

    files = dict.fromkeys(program_contract(preset("nano")), "model.tflite")
    digests = {"model.tflite": hashlib.sha256(CARD_ARTIFACT).hexdigest()}
    card = ArtifactCard("tflite", "nano", "fp32", "float32", files, "w", "ab", True, {"a": "1"}, digests=digests)
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


MODEL_ITEM = {
    "author": "com.apple.CoreML",
    "description": "CoreML Model Specification",
    "name": "model.mlmodel",
    "path": "com.apple.CoreML/model.mlmodel",
}
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
    import numpy as np
    from coremltools.converters.mil import Builder

    # Small enough that its weights lie in the model, not in a file beside it.
    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 2, 4, 4))])
    def program(x):
        convolved = Builder.conv(x=x, weight=np.ones((2, 2, 1, 1), np.float32), strides=[1, 1])
        pooled = Builder.reduce_mean(x=Builder.relu(x=convolved), axes=[2, 3], keep_dims=False)
        return Builder.softmax(x=Builder.concat(values=[pooled, pooled], axis=1), axis=1)

    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "a.mlpackage"
        ct.convert(program, convert_to="mlprogram", skip_model_load=True).save(str(package))
        yield (package / "Data" / MODEL_ITEM["path"]).read_bytes()


READERS = {
    "picture": FuzzedReader(
        "a.png", _load_picture, lambda: _png_seeds("L", "P", "1", "RGB", "RGBA"), ("tinysam2", "PIL")
    ),
    "mask": FuzzedReader("a.png", _load_mask, lambda: _png_seeds("L", "P", "1"), ("tinysam2", "PIL")),
    "video": FuzzedReader("a.mp4", _load_video, _video_seeds),
    "safetensors": FuzzedReader("a.safetensors", _load_safetensors, _safetensors_seeds, mutate=mutated_header),
    "sav-json": FuzzedReader("a.json", _load_sav, _sav_seeds),
    "prompts-json": FuzzedReader("a.json", _load_prompts, _prompts_seeds),
    "card-json": FuzzedReader("tflite.json", _load_card, _card_seeds),
    "pte": FuzzedReader("a.pte", _load_pte, _pte_seeds, ("tinysam2", "executorch.exir._serialize")),
    "tflite": FuzzedReader("a.tflite", _load_tflite, _tflite_seeds, ("tinysam2", "ai_edge_litert.schema_py_generated")),
    "mlpackage": FuzzedReader(
        MODEL_PLACE, _load_mlpackage, _mlpackage_seeds, ("tinysam2", "coremltools"), mutated_model
    ),
}
