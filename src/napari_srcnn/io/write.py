"""Write a whole stack as OME-TIFF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_srcnn.io.ome_tiff import OmeTiffWriter

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from napari_srcnn.image.stack import Stack


def write_stack(
    path: str | os.PathLike[str],
    stack: Stack,
    *,
    compression: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a stack as OME-TIFF, one plane in memory at a time.

    Parameters
    ----------
    path : str or path-like
        Where to write.
    stack : Stack
        What to write; see `OmeTiffWriter` for the types and axes that fit.
    compression : str, optional
        One of `COMPRESSIONS`.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    StackError
        It cannot be written; nothing is left of it then.
    """
    writer = OmeTiffWriter(
        path,
        stack.shape,
        stack.dtype,
        **stack.upscaled(1),
        compression=compression,
        overwrite=overwrite,
    )
    leading = stack.shape[: len(stack.axes.removesuffix("S")) - 2]
    with writer:
        for index in np.ndindex(leading):
            writer[index] = stack[index]
    return writer.path
