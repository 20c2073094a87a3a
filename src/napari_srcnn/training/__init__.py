"""Images in, a network out: training on photographs and fine-tuning on a lab's own stacks."""

from napari_srcnn._moved import attribute_of

__getattr__ = attribute_of(__name__)
