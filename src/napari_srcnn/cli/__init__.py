"""Every job without a screen: the commands of ``napari-srcnn``."""

from napari_srcnn.cli.upscale import main

__all__ = ["main"]
