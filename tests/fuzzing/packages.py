"""Models as other programs have them: packages for bioimage.io, ours and others', and ONNX."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from hypothesis import strategies as st
from networks import random_network

from fuzzing.case import Drawn, Kind
from fuzzing.models import CARD, checkpoints
from fuzzing.values import altered
from napari_srcnn.models.card import origin_lines
from napari_srcnn.models.export import export_bytes
from napari_srcnn.models.library import load_model, model_info
from napari_srcnn.models.manage import import_model
from napari_srcnn.network.checkpoint import CheckpointError, save_model
from napari_srcnn.network.phases import standalone

_RDF = "rdf.yaml"


@cache
def exported(kind: str) -> bytes:
    """Return a small model as a file of another program."""
    with tempfile.TemporaryDirectory() as folder:
        path = save_model(Path(folder) / "a.safetensors", random_network(widths=(4, 2)), CARD)
        return export_bytes(model_info(path), kind)


@cache
def _ours() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(exported(".bioimage.io.zip"))) as store:
        return {name: store.read(name) for name in store.namelist()}


@cache
def _theirs() -> dict[str, bytes]:
    """Return the files of a package of another program: nothing in it is of ours."""
    network = random_network(widths=(4, 2), padding="zeros", a=-0.75, skip=False)
    image = torch.rand(1, 1, 24, 20, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        result = standalone(network)(image)
    described = {
        "format_version": "0.5.3",
        "type": "model",
        "name": "theirs",
        "inputs": [
            {
                "test_tensor": {"source": "in.npy"},
                "data": {"range": [0, 255]},
                "preprocessing": [{"id": "scale_linear", "kwargs": {"gain": 1.0, "offset": 0.0}}],
            }
        ],
        "outputs": [{"test_tensor": {"source": "out.npy"}}],
        "weights": {"pytorch_state_dict": {"source": "net.pth"}},
    }
    state = io.BytesIO()
    torch.save(network.state_dict(), state)
    files = {_RDF: json.dumps(described).encode(), "net.pth": state.getvalue()}
    for name, tensor in (("in.npy", image), ("out.npy", result)):
        file = io.BytesIO()
        np.save(file, tensor.numpy())
        files[name] = file.getvalue()
    return files


@st.composite
def _broken(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes of which some are others, or which end too early."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        # Headers stand at the beginning, what a zip file holds at its end.
        at = draw(st.one_of(st.integers(0, 400), st.integers(len(content) - 800, len(content) - 1)))
        at = min(max(at, 0), len(content) - 1)
        changed[at : at + 1] = draw(st.binary(max_size=4))
    return bytes(changed[: draw(st.sampled_from([None, None, len(content) // 2]))])


@st.composite
def files(draw: st.DrawFn) -> Drawn:
    """An ONNX file, or a package whose description, weights or test say what they should not."""
    if draw(st.integers(0, 3)) == 0:
        kind = draw(st.sampled_from([".onnx", ".onnx", ".bioimage.io.zip"]))
        return {f"a-x2{kind}": draw(_broken(exported(kind)))}, f"a-x2{kind}"
    held = dict(draw(st.sampled_from([_ours(), _theirs()])))
    described = draw(altered(yaml.safe_load(held[_RDF])))
    held[_RDF] = json.dumps(described).encode("utf-8", "surrogatepass")
    what = draw(st.sampled_from(["nothing", "nothing", "member", "weights", "bomb"]))
    if what == "member":
        name = draw(st.sampled_from(sorted(held)))
        held[name] = draw(_broken(held[name]))
    elif what == "weights":
        held |= dict.fromkeys(("net.pth", "weights.pt"), draw(checkpoints()))
    elif what == "bomb":
        name = draw(st.sampled_from(sorted(held)))
        part, times = draw(
            st.sampled_from(
                [(b"\0", 10**7), (b"[", 10**5), (b"1,", 10**4), (b"&a [*a, *a]", 10**4)]
            )
        )
        held[name] = part * times
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as store:
        for name, content in held.items():
            store.writestr(name, content)
    return {"a-x2.bioimage.io.zip": file.getvalue()}, "a-x2.bioimage.io.zip"


def _use(folder: Path, name: Any) -> None:
    path, before = folder / name, tempfile.tempdir
    # Where the program's own copies go, for as long as it reads them.
    tempfile.tempdir = str(folder)
    try:
        origin_lines(model_info(path))
        import_model(path, "given")
        load_model("given")
    finally:
        tempfile.tempdir = before


KINDS = (Kind("packages and ONNX", files(), _use, (CheckpointError,), share=8),)
