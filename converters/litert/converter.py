"""LiteRT: all programs as the signatures of one `.tflite`."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import litert_torch
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer
from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
from litert_torch.quantize.quant_config import QuantConfig

from tinysam2.converters.export import ExportedModel
from tinysam2.converters.litert.flatbuffer import packed, parsed, shorten_names
from tinysam2.converters.litert.float_operations import restore_float_operations
from tinysam2.converters.litert.matrix_products import restore_matrix_products
from tinysam2.core.files import atomic_path

FILE = "tinysam2.tflite"

_STATIC = QuantConfig(
    pt2e_quantizer=PT2EQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True, is_dynamic=False))
)
"""Tells the converter that quantize and dequantize operators mean int8 kernels. It quantizes nothing by itself."""


def convert(programs: Sequence[ExportedModel], precision: str, folder: Path) -> Mapping[str, str]:
    """Writes one multi-signature file into `folder`; returns program -> file name.

    precision: fp32; fp16, which stores weights as fp16 and computes in fp32; or int8, where the programs must come
    unfolded (see `tinysam2.models.quantization.layers.FrozenLayer`). Inputs and outputs are float32 in each; a
    signature's outputs are `output_0`, `output_1`, ... in the order of the contract.
    """
    signatures = functools.reduce(
        lambda converter, exported: converter.signature(
            exported.name, exported.graph.module(), sample_kwargs=exported.example
        ),
        programs,
        litert_torch,
    )
    model = signatures.convert(quant_config=_STATIC if precision == "int8" else None)
    with atomic_path(folder / FILE) as temporary:
        model.export(str(temporary))
        if precision == "fp16":
            _cast_weights(temporary)
        written = parsed(temporary.read_bytes())
        if precision == "int8":
            restore_float_operations(written)
        restore_matrix_products(written)
        shorten_names(written)
        temporary.write_bytes(packed(written))
    return {exported.name: FILE for exported in programs}


def _cast_weights(file: Path) -> None:
    """Stores the weights of convolutions and linear layers as fp16, in place."""
    quantizer = Quantizer(str(file))
    quantizer.add_weight_only_config(
        regex=".*",
        operation_name=TFLOperationName.ALL_SUPPORTED,
        num_bits=16,
        algorithm_key=AlgorithmName.FLOAT_CASTING,
    )
    file.write_bytes(quantizer.quantize().quantized_model)
