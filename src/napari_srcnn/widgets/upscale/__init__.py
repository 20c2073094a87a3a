"""The upscale widget."""

from napari_srcnn._moved import attribute_of

__getattr__ = attribute_of(__name__)
