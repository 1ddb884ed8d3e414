"""The graph that a `.pte` hands to XNNPACK, read and written by the classes that flatc generates from its schema.

`schema_generated.py` is the output of `make xnnpack-schema`, from the schema (BSD licence) and by the flatc in
ExecuTorch's wheel.
"""
