"""Options as the command line's words, and as Python's keywords. Knows no torch.

Each option that is not as usual is spelled, by its name; one that has no spelling is refused, so
that no line does another job than it seems to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.microscope.noise import Noise

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def words_of(options: Any, usual: Any = None) -> list[str]:
    """Return the command line's arguments for options, but for those that are as usual.

    Parameters
    ----------
    options : dataclass
        As :class:`~napari_srcnn.upscaling.options.Options`, or
        :class:`~napari_srcnn.upscaling.batch.messages.Writing`.
    usual : dataclass, optional
        What needs no word.

    Raises
    ------
    ValueError
        If one cannot be said in a line.
    """
    words: list[str] = []
    for name, value in _unusual(options, usual):
        flag = f"--{_FLAGS.get(name, name).replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is False:
            words.append(f"--no-{flag.removeprefix('--')}")
        else:
            words += [flag, _WORDS.get(name, _word)(value)]
    return words


def keywords_of(options: Any, usual: Any = None) -> list[str]:
    """Return Python's keyword arguments for options, as :func:`words_of`."""
    return [
        f"{name}={_CODE.get(name, _code)(value)}"
        for name, value in _unusual(options, usual)
        if name != "scale"
    ]


def _unusual(options: Any, usual: Any) -> list[tuple[str, Any]]:
    usual = type(options)() if usual is None else usual
    values = [(field.name, getattr(options, field.name)) for field in fields(options)]
    return [
        (name, value)
        for name, value in values
        if value != getattr(usual, name) and name not in _UNSAID
    ]


def _word(value: Any) -> str:
    if isinstance(value, int | float):
        return number_word(value)
    if isinstance(value, str | Path):
        return str(value)
    raise ValueError(f"A {type(value).__name__} cannot be written in a line.")


def _code(value: Any) -> str:
    if isinstance(value, Path):
        return repr(str(value))
    if value is None or isinstance(value, bool | int | float | str | tuple):
        return repr(value)
    raise ValueError(f"A {type(value).__name__} cannot be written in a line.")


def number_word(value: float) -> str:
    """Return a number as short as it can be read again."""
    return repr(int(value)) if float(value).is_integer() else repr(float(value))


def _pair(pair: Sequence[float]) -> str:
    return ",".join(map(number_word, pair))


def _range(value: Any) -> str:
    if isinstance(value, str):
        return value
    return " ".join(map(_pair, value if isinstance(value[0], tuple) else (value,)))


def _model_word(value: Any) -> str:
    if isinstance(value, str | Path):
        return str(value)
    raise ValueError("The network was loaded and has no name; save it, and choose it by its name.")


def _model_code(value: Any) -> str:
    return repr(_model_word(value))


def _noise_word(value: Any) -> str:
    if value is None or isinstance(value, str):
        return "none" if value is None else value
    return " ".join(
        _pair((one.gain, one.read, one.offset)) if one.gain or one.offset else number_word(one.read)
        for one in value
    )


def _noise_code(value: Any) -> str:
    if value is None or isinstance(value, str):
        return repr(value)
    if all(not one.gain and not one.offset for one in value):
        return _listed([number_word(one.read) for one in value])
    return _listed([_noise_made(one) for one in value])


def _noise_made(noise: Noise) -> str:
    said = [f"{field.name}={number_word(getattr(noise, field.name))}" for field in fields(Noise)]
    return f"napari_srcnn.Noise({', '.join(said)})"


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _dtype_word(value: DTypeLike) -> str:
    return np.dtype(value).newbyteorder("=").name


def _dtype_code(value: DTypeLike) -> str:
    return repr(_dtype_word(value))


# What the command line calls otherwise, and what is said to the user only.
_FLAGS = {"version": "ome-zarr"}
_UNSAID = ("again",)
# What is not said by its type alone.
_WORDS: dict[str, Callable[[Any], str]] = {
    "model": _model_word,
    "intensity": _range,
    "window": _pair,
    "dtype": _dtype_word,
    "noise": _noise_word,
}
_CODE: dict[str, Callable[[Any], str]] = {
    "model": _model_code,
    "dtype": _dtype_code,
    "noise": _noise_code,
    "device": lambda value: repr(str(value)),
}
