"""A target from outside the package: ONNX Runtime, in fp32."""

from tinysam2.core.targets import RuntimePackage, Target

ONNX = Target(
    name="onnx",
    title="ONNX Runtime",
    packages=("onnx", "onnxruntime", "onnxscript"),
    converter="onnx_target.converter",
    backend="onnx_target.backend",
    precisions={"fp32": "float32"},
    shipped_for=("desktop",),
    runtime=RuntimePackage("ONNX Runtime", "1.20", {"desktop": "onnxruntime"}),
)
