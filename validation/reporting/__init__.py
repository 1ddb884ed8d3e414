"""Reporting: one report as JSON, HTML, Markdown and JUnit.

Public: `report.Report` holds all results; `formats.write_report` writes one form; `gallery.Gallery` keeps the frames
that the page shows.
"""
