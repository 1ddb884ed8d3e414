"""Locating: the first layer of an artifact whose error exceeds the threshold.

Public: `workflow.locate_layers` records, compares and plots; `locate.locate` compares alone and gives
`locate.ProgramErrors`; `plot.draw_errors` draws them. `intermediates.open_intermediates` gives an artifact's values.
"""
