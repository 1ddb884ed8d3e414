"""A target from outside the package: ONNX Runtime, in fp32."""

from tinysam2.core.targets import Target

ONNX = Target(
    name="onnx",
    title="ONNX Runtime",
    packages=("onnx", "onnxruntime", "onnxscript"),
    converter="onnx_target.converter",
    backend="onnx_target.backend",
    precisions={"fp32": "float32"},
    shipped_for=("desktop",),
    runtime="ONNX Runtime 1.20 or newer",
    addressing="by the contract's names",
)
