"""Validation: artifacts are held against the float model, and every gate gives its verdict.

Public: `validate.validate_artifacts` joins the subjects `parity`, `integers` and `memory` into one report
(`reporting`); `locating` finds a faulty layer; `cost` counts operations. A verdict is a `gate.Gate`.
"""
