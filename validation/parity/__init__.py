"""Parity: an artifact's outputs and masks against the float model's.

Public: `check.ParityCheck` compares one artifact and gives `ProgramParity` and `ChainParity`; `gates.parity_gates`
judges them by `gates.PARITY_LIMITS`; `scenes` gives the clips; `recording.RecordingBackend` records a model's calls;
`coreml_runtimes.compare_runtimes` compares Apple's runtime with the MIL interpreter.
"""
