"""Memory: what artifacts, the float model and their processes take, and the budget that they are held to.

Public: `budget.read_budget` gives a preset's limits; `measured.measure` reads a process's memory,
`process.measure_artifacts` that of a fresh one; `float_model.float_memory` estimates the float model's;
`gates.memory_gates` judges all of them.
"""
