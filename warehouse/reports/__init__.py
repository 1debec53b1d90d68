"""Reports: one static page about a run, in which every number names its query and its record.

The walk of a page: `subject` picks the run, `evidence` runs the queries and remembers what each
answered, `sections` turns answers into values to show, `svg` draws, the templates say it in words.
A report is a function of the snapshot and of what the caller verified: it reads no clock, no
environment and no other file, so the same head gives the same bytes.
"""

from warehouse.reports.render import held_checkpoint, render

__all__ = ["held_checkpoint", "render"]
