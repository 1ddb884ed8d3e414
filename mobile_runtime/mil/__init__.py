"""Executes Core ML ML Programs (MIL) on any machine, with torch CPU kernels."""

from tinysam2.mobile_runtime.mil.graph import Operation, TensorType
from tinysam2.mobile_runtime.mil.liveness import PeakActivation
from tinysam2.mobile_runtime.mil.program import MILProgram

__all__ = ["MILProgram", "Operation", "PeakActivation", "TensorType"]
