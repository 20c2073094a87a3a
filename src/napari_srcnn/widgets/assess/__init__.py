"""Assessing a result: figures, plots, maps and a report, beside bicubic's."""
