"""ExecuTorch: all programs as the methods of one `.pte`, lowered to XNNPACK."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from executorch.backends.xnnpack._passes.remove_noop_expand_copy_pass import RemoveNoopExpandCopyPass
from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor
from executorch.backends.xnnpack.operators.quant_params import QuantParams
from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.backends.xnnpack.partition.config.generic_node_configs import (
    DeQuantizedPerTensorConfig,
    GenericNodePartitionerConfig,
    QuantizedPerTensorConfig,
)
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType, XNNPartitionerConfig
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
from executorch.exir.passes.constant_prop_pass import constant_prop_pass

from tinysam2.converters.export import ExportedModel
from tinysam2.core.files import atomic_path
from tinysam2.models.quantization import layers  # noqa: F401 - registers the operators

FILE = "tinysam2.pte"

_DEQUANTIZE = {torch.ops.quantized_decomposed.dequantize_per_channel.default}
"""Not folded: int8 weights would be stored as the floats that they stand for."""

_STORED = ExecutorchBackendConfig(segment_alignment=16)
"""Each layer's weights are a segment of their own; XNNPACK wants 16, the default of 128 pads."""


def _float_but_for_layers(config: type[XNNPartitionerConfig]) -> type[XNNPartitionerConfig]:
    """XNNPACK computes in int8 what stands between a dequantize and a quantize: convolutions and linear layers alone.

    Left to itself it also takes means and additions, which the recipe leaves in float, and hands their inputs to
    float neighbours as int8: such a file converts and does not load.
    """
    roundings = (QuantizedPerTensorConfig, DeQuantizedPerTensorConfig)
    if not issubclass(config, GenericNodePartitionerConfig) or config in roundings:
        return config
    return type(config.__name__, (config,), {"supported_precision_types": lambda self: [ConfigPrecisionType.FP32]})


_CONFIGS = [_float_but_for_layers(config) for config in ALL_PARTITIONER_CONFIGS]


@contextmanager
def _scales_of_biases_left_out() -> Iterator[None]:
    """XNNPACK adds a bias as the whole number that it is and reads no scale of it: ones stand for all of a length.

    As many bytes as the weights' scales, and stored by a name of their own for each layer.
    """
    serialized = NodeVisitor.get_quant_params

    def without_scale(visitor: NodeVisitor, how: QuantParams, *rest: object) -> object:
        if how.per_channel and how.dtype == torch.int32:
            how = copy.copy(how)
            how.scale = torch.ones_like(how.scale)
        return serialized(visitor, how, *rest)

    NodeVisitor.get_quant_params = without_scale
    try:
        yield
    finally:
        NodeVisitor.get_quant_params = serialized


def convert(
    programs: Sequence[ExportedModel],
    precision: str,
    folder: Path,
    progress: Callable[[str], None] = lambda stage: None,
) -> Mapping[str, str]:
    """Writes one multi-method file into `folder`; returns program -> file name.

    precision: fp32, or int8, which XNNPACK finds in the programs' own quantize and dequantize operators.
    """
    # The exporter leaves position encodings and index ranges as computations; XNNPACK would do them every frame.
    # The pass works in place, on constants that a decomposed graph shares with its original: copy first.
    graphs = {}
    for exported in programs:
        progress(f"decomposing {exported.name}")
        graphs[exported.name] = constant_prop_pass(
            copy.deepcopy(exported.graph).run_decompositions({}), custom_skip_targets=_DEQUANTIZE
        )
    progress("lowering to XNNPACK")
    partitioners = {name: [XnnpackPartitioner(configs=_CONFIGS)] for name in graphs}
    # Every matrix product expands its factors to the shapes that they have: copies, which part XNNPACK's graphs.
    with _scales_of_biases_left_out():
        lowered = to_edge_transform_and_lower(graphs, [RemoveNoopExpandCopyPass()], partitioners)
    progress("writing")
    with atomic_path(folder / FILE) as temporary, temporary.open("wb") as file:
        lowered.to_executorch(_STORED).write_to_file(file)
    return dict.fromkeys(graphs, FILE)
