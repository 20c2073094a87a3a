"""Upscaling a folder: each file with its state, and a report."""
