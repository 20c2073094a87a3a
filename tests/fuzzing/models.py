"""Model files: safetensors of ours, checkpoints of PyTorch, MATLAB files, states of trainings."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from networks import random_network
from scipy.io import savemat

from fuzzing.case import Drawn, Kind
from fuzzing.values import TEXTS, altered, as_json
from napari_srcnn.models.card import card_lines
from napari_srcnn.models.library import load_model, model_info, usable_models
from napari_srcnn.models.manage import import_model
from napari_srcnn.network.checkpoint import FORMAT, KEY, CheckpointError
from napari_srcnn.network.published import read_published
from napari_srcnn.training.state import State, TrainConfig, read_state

CARD: dict[str, Any] = {
    "description": "Nothing, ×2",
    "license": "CC0-1.0",
    "data": ["T91", "BSD200"],
    "psnr": {"Set5": 36.5},
    "windows": {"microscope": [0.2, 0.6], "photograph": [0, 1]},
    "holdout": {"psnr": 34.0, "bicubic": 33.0, "what": "two stacks"},
    "recipe": {"started_from": "srcnn-9-1-5-x2"},
    "date": "2026-01-01T10:00:00",
    "steps_done": 100,
    "seconds": 12.5,
}


@cache
def _weights() -> dict[str, Any]:
    return {k: v.contiguous() for k, v in random_network(widths=(4, 2)).state_dict().items()}


# ---------------------------------------------------------------- ours


@st.composite
def safetensors(draw: st.DrawFn) -> bytes:
    """A model file of this program's whose header says what it should not."""
    network = random_network(widths=(4, 2))
    value = {"format": FORMAT, "config": network.config.to_dict(), "card": CARD}
    where = draw(st.sampled_from(["card", "config", "value", "tensors", "text", "none"]))
    if where in ("card", "config"):
        value[where] = draw(altered(value[where]))
    elif where == "value":
        value = draw(altered(value))
    said: Any = json.dumps(value)
    if where == "text":
        said = draw(as_json(value)).decode("utf-8", "surrogatepass")
    data, entries = b"", {}
    for name, tensor in _weights().items():
        content = tensor.numpy().tobytes()
        entries[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    if where == "tensors":
        entries = draw(altered(entries))
        if draw(st.booleans()) and isinstance(entries, dict):
            kind = draw(st.sampled_from(["F64", "F16", "I32", "U32", "BOOL", "F8_E4M3", "X"]))
            for entry in entries.values():
                if isinstance(entry, dict):
                    entry["dtype"] = kind
    header: Any = {"__metadata__": {KEY: said}, **entries}
    text = draw(as_json(header)) if draw(st.booleans()) else json.dumps(header).encode()
    length = draw(
        st.sampled_from([len(text)] * 9 + [0, 1, 2**31, 2**63, 2**64 - 1, len(text) // 2])
    )
    filled = draw(
        st.sampled_from([data] * 5 + [data[:-4], data + bytes(8), b"", b"\xff" * len(data)])
    )
    return struct.pack("<Q", length) + text + filled


def _use_ours(folder: Path, rest: object) -> None:
    path = folder / "given.safetensors"
    usable_models()
    card_lines(model_info(path))
    import_model(path)
    load_model("given")


# ---------------------------------------------------------------- published

_CALLS = st.sampled_from(
    [
        ("os", "system", ("touch outside",)),
        ("posix", "system", ("touch outside",)),
        ("builtins", "eval", ("open('outside')",)),
        ("builtins", "bytearray", (2**33,)),
        ("builtins", "getattr", ("x", "y")),
        ("torch", "FloatStorage", (2**31,)),
        ("torch", "empty", (2**31,)),
        ("torch", "load", ("/etc/passwd",)),
        ("torch.hub", "load", ("a/b", "c")),
        ("torch._utils", "_rebuild_tensor_v2", (1, 2, 3, 4)),
        ("torch.nn.modules.conv", "Conv2d", (1, 1, 1)),
        ("torch", "Size", ((2**40,),)),
        ("collections", "OrderedDict", ()),
        ("collections", "Counter", ("aab",)),
        ("_codecs", "encode", ("x" * 9, "latin1")),
        ("numpy", "load", ("/etc/passwd",)),
        ("subprocess", "Popen", (["touch", "outside"],)),
        ("webbrowser", "open", ("https://example.org",)),
    ]
)


class _Call:
    """Pickles as a call of a function by its name."""

    def __init__(self, module: str, name: str, arguments: tuple[Any, ...]) -> None:
        self.called = module, name, arguments


class _Pickler(pickle._Pickler):  # in Python, to write names of what need not be there
    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, _Call):
            module, name, arguments = obj.called
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            super().save(arguments)
            self.write(pickle.REDUCE)
        elif isinstance(obj, _Storage):
            super().save(obj.identity)
            self.write(pickle.BINPERSID)
        else:
            super().save(obj, save_persistent_id)


class _Storage:
    """Pickles as a reference to the bytes of a tensor."""

    def __init__(self, kind: str, key: Any, numel: Any) -> None:
        self.identity = ("storage", _Global("torch", kind), key, "cpu", numel)


class _Global:
    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __reduce__(self) -> str:
        raise TypeError


def _dump(value: Any) -> bytes:
    file = io.BytesIO()
    pickler = _Pickler(file, 2)

    def save_global(self: Any, obj: Any, name: str | None = None) -> None:
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    pickler.dispatch = {**pickle._Pickler.dispatch, _Global: save_global}
    pickler.dump(value)
    return file.getvalue()


def pickled_call(module: str, name: str, arguments: tuple[Any, ...]) -> bytes:
    """Return a pickle that calls a function by its name."""
    return _dump(_Call(module, name, arguments))


@st.composite
def _tensor(draw: st.DrawFn, shape: tuple[int, ...], key: str) -> Any:
    numel = int(np.prod(shape))
    kind = draw(
        st.sampled_from(["FloatStorage"] * 8 + ["HalfStorage", "LongStorage", "QInt8Storage"])
    )
    sizes, strides = list(shape), [int(np.prod(shape[n + 1 :])) for n in range(len(shape))]
    offset: Any = 0
    if draw(st.integers(0, 3)) == 0:
        # Larger than its bytes: by its sizes, by strides of zero, or beyond their end.
        at = draw(st.integers(0, len(shape) - 1))
        sizes[at] = draw(st.sampled_from([0, -1, 2**16, 2**31, 2**40, 2**62]))
        if draw(st.booleans()):
            strides = [0] * len(shape)
        offset = draw(st.sampled_from([0, 0, 1, 2**40, -1]))
    said = draw(st.sampled_from([numel] * 6 + [0, 2**33, 2**60, -1]))
    name = draw(st.sampled_from([key] * 8 + [draw(TEXTS), "0", "../data.pkl"]))
    storage = _Storage(kind, name, said)
    return _Call(
        "torch._utils",
        "_rebuild_tensor_v2",
        (
            storage,
            offset,
            tuple(sizes),
            tuple(strides),
            False,
            _Call("collections", "OrderedDict", ()),
        ),
    )


@st.composite
def checkpoints(draw: st.DrawFn) -> bytes:
    """A zip file of PyTorch whose pickle calls what it should not or lies about sizes."""
    shapes = [("conv1", (4, 1, 9, 9)), ("conv2", (2, 4, 1, 1)), ("conv3", (1, 2, 5, 5))]
    state: dict[Any, Any] = {}
    records = {}
    for n, (name, shape) in enumerate(shapes):
        state[f"{name}.weight"] = draw(_tensor(shape, str(2 * n)))
        state[f"{name}.bias"] = draw(_tensor(shape[:1], str(2 * n + 1)))
        records[str(2 * n)] = np.full(int(np.prod(shape)), 0.1, "<f4").tobytes()
        records[str(2 * n + 1)] = bytes(4 * shape[0])
    if draw(st.integers(0, 2)) == 0:
        where = draw(st.sampled_from([*state, "extra", 5]))
        state[where] = _Call(*draw(_CALLS))
    if draw(st.integers(0, 4)) == 0:
        nested: Any = state
        for _ in range(draw(st.sampled_from([1, 3, 200]))):
            nested = {"state_dict": nested}
        state = nested
    code = _dump(state)
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(code) - 1))
        code = code[:at] + draw(st.binary(min_size=1, max_size=8)) + code[at + 1 :]
    if draw(st.integers(0, 9)) == 0:
        code = draw(
            st.sampled_from(
                [
                    b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
                    b"\x80\x02\x8b\xff\xff\xff\x7f.",  # LONG4 of 2 GB
                    b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
                    b"\x80\x02" + b"(" * 100_000 + b".",
                    bytes(1000),
                ]
            )
        )
    file = io.BytesIO()
    how = draw(st.sampled_from([zipfile.ZIP_STORED] * 6 + [zipfile.ZIP_DEFLATED]))
    with zipfile.ZipFile(file, "w", how) as store:
        store.writestr("archive/data.pkl", code)
        store.writestr("archive/byteorder", draw(st.sampled_from(["little", "little", "big", "x"])))
        for key, content in records.items():
            store.writestr(f"archive/data/{key}", content)
        store.writestr(
            "archive/version", draw(st.sampled_from(["3\n", "3\n", "99999999999\n", ""]))
        )
        if how == zipfile.ZIP_DEFLATED:
            store.writestr("archive/data/bomb", bytes(draw(st.sampled_from([10**6, 10**7]))))
    return file.getvalue()


@cache
def _old() -> bytes:
    file = io.BytesIO()
    torch.save(_weights(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@st.composite
def old_checkpoints(draw: st.DrawFn) -> bytes:
    """PyTorch's older format: pickles and bytes in a row."""
    content = bytearray(_old())
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content) - 1))
        content[at : at + 1] = draw(st.binary(max_size=4))
    if draw(st.booleans()):
        return pickle.dumps({"a": 1}, 2) + _dump(_Call(*draw(_CALLS)))
    return bytes(content)


@cache
def _matlab(compressed: bool) -> bytes:
    network, file = _weights(), io.BytesIO()
    values = {
        "weights_conv1": network["conv1.weight"].numpy().reshape(4, 81).T,
        "weights_conv2": network["conv2.weight"].numpy().reshape(2, 4, 1).transpose(1, 2, 0),
        "weights_conv3": network["conv3.weight"].numpy().reshape(2, 25),
        **{f"biases_conv{n}": network[f"conv{n}.bias"].numpy()[:, None] for n in (1, 2, 3)},
    }
    savemat(file, {k: v.astype(np.float64) for k, v in values.items()}, do_compression=compressed)
    return file.getvalue()


@st.composite
def matlab(draw: st.DrawFn) -> bytes:
    """A MATLAB file with other sizes, other classes, or little that becomes much."""
    content = bytearray(_matlab(draw(st.booleans())))
    for _ in range(draw(st.integers(0, 4))):
        # Headers of elements stand at multiples of eight.
        at = draw(st.integers(15, len(content) // 8 - 1)) * 8 + draw(st.sampled_from([0, 4]))
        number = draw(st.sampled_from([0, 1, 2, 5, 9, 14, 15, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
        content[at : at + 4] = struct.pack("<I", number)
    if draw(st.integers(0, 5)) == 0:
        return bytes(content[:128]) + draw(_bomb())
    return bytes(content)


@st.composite
def _bomb(draw: st.DrawFn) -> bytes:
    """A compressed matrix with the name of one that is read."""
    size = draw(st.sampled_from([10**5, 10**7, 2**28]))
    said = draw(st.sampled_from([size // 8, 1, 2**28]))
    kind = draw(st.sampled_from([6, 1, 2, 3, 4, 5, 17]))
    name = b"weights_conv1"
    head = struct.pack("<IIII", 6, 8, kind, 0) + struct.pack("<IIii", 5, 8, said, 1)
    head += struct.pack("<II", 1, len(name)) + name.ljust(16, b"\0") + struct.pack("<II", 9, size)
    packer = zlib.compressobj(9)
    packed = packer.compress(struct.pack("<II", 14, len(head) + size) + head)
    for _ in range(size // 10**6 + 1):
        packed += packer.compress(bytes(min(size, 10**6)))
    packed += packer.flush()
    return struct.pack("<II", 15, len(packed)) + packed


@st.composite
def published(draw: st.DrawFn) -> Drawn:
    """A checkpoint that others have published, and its file's name."""
    suffix, content = draw(
        st.one_of(
            st.tuples(st.sampled_from([".pth", ".ckpt", ".bin"]), checkpoints()),
            st.tuples(st.just(".pth"), checkpoints()),
            st.tuples(st.just(".pt"), old_checkpoints()),
            st.tuples(st.just(".mat"), matlab()),
            st.tuples(st.just(".safetensors"), safetensors()),
        )
    )
    return {f"net_x2{suffix}": content}, suffix


def _use_published(folder: Path, suffix: str) -> None:
    path = folder / f"net_x2{suffix}"
    if suffix == ".safetensors":
        read_published(path).model()
    else:
        card_lines(model_info(path))
        load_model(path)


# ---------------------------------------------------------------- states of trainings


def _begun(config: TrainConfig) -> State:
    return State(config, random_network(widths=(4, 2)).config, torch.device("cpu"), None)


@cache
def make_state() -> Any:
    """Return what a training that has just begun keeps of itself."""
    with tempfile.TemporaryDirectory() as folder:
        _begun(TrainConfig(steps=2)).save(Path(folder) / "a.state")
        return torch.load(Path(folder) / "a.state", weights_only=True)


@st.composite
def states(draw: st.DrawFn) -> Drawn:
    """What a training goes on with."""
    config = TrainConfig(steps=2)
    kind = draw(st.sampled_from(["altered", "calls", "checkpoint"]))
    if kind == "checkpoint":
        return {"a.state": draw(checkpoints())}, config
    file = io.BytesIO()
    try:
        torch.save(draw(altered(make_state())), file)
        content = file.getvalue()
    except (RuntimeError, UnicodeEncodeError, OverflowError):
        content = draw(checkpoints())
    if kind == "calls":
        content = draw(old_checkpoints())
    return {"a.state": content}, config


def _use_state(folder: Path, config: TrainConfig) -> None:
    path = folder / "a.state"
    read_state(path)
    _begun(config).load(path)


_files = safetensors().map(lambda content: ({"given.safetensors": content}, None))
KINDS = (
    Kind("model files", _files, _use_ours, (CheckpointError,)),
    Kind("published checkpoints", published(), _use_published, (CheckpointError,), share=8),
    Kind("training states", states(), _use_state, (ValueError,), share=7),
)
