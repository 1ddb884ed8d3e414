"""Integers: the int8 numbers in an artifact's files against the checkpoint's.

Public: `artifact.check_artifact` reads an artifact's files and checks them; `checks.IntegerReport` is the result;
`gates.integer_gates` judges it. A reader (`read_coreml`, `read_executorch`, `read_tflite`) gives `products.Contents`.
"""
