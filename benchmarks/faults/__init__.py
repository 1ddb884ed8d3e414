"""Artifacts and runtimes broken on purpose: which gate fails on which fault."""
