"""How numbers, sizes and durations are said, and what a shell is told."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

# What could be, or be a part of, the name of somebody's file.
_IN_A_PATH = (
    r"(?i)(?:\b[a-z]:)?[^\s'\":,;()]*[/\\][^\s'\":,;()]*"
    r"|[^\s'\"/\\]+\.(?:ome|tiff?|btf|zarr|ozx|zip|nd2|czi|lif|png|jpe?g|bmp|npy|npz|h5|hdf5|mrc|nii"
    r"|gz|json|csv|txt|html|ya?ml|log|safetensors|pth?|mat)\b[^\s'\":,;()]*"
)
_QUOTED = r"'([^']*)'|\"([^\"]*)\"|“([^”]*)”|«([^»]*)»|`([^`]*)`"


def format_bytes(number: float) -> str:
    """Return a number of bytes for reading."""
    for unit in ("bytes", "KB", "MB", "GB"):
        # 999.6 would be printed as 1e+03.
        if number < 999.5:
            return f"{number:.3g} {unit}" if unit != "bytes" else f"{number:.0f} bytes"
        number /= 1000
    return f"{number:.3g} TB" if number < 999.5 else f"{number:,.0f} TB"


def duration(seconds: float) -> str:
    """Return a time for reading, no more exact than it is known."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


def number(value: float) -> str:
    """Return a number of an intensity for reading."""
    return f"{value:.6g}"


def percent(share: float) -> str:
    """Return a share, 0..1, for reading."""
    return f"{100 * share:.2g} %" if share >= 1e-4 else "less than 0.01 %"


def count_of(number: int, noun: str) -> str:
    """Return ``"1 shard"``, ``"2 shards"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def one_line(text: str, longest: int = 500) -> str:
    """Return a text as one line, without what would act on a terminal; what is too long is cut.

    Parameters
    ----------
    text : str
        May hold what files say of themselves: anything.
    longest : int
        Characters; the middle goes, since a message ends with what to do.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) <= longest:
        return line
    tail = longest // 3
    return f"{line[: longest - tail - 3]} … {line[-tail:]}"


def sentence(error: BaseException) -> str:
    """Return what an error says, as a sentence."""
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = f"there is not enough memory ({error})"
    else:
        text = str(error)
    # It may hold what a file says of itself.
    text = one_line(text, 1000)
    return text if text.endswith((".", "!", "?")) else text + "."


def without_names(text: str) -> str:
    """Return what an error or a program said as one line, without paths and names in it.

    Parameters
    ----------
    text : str
        May hold names of files, of folders and of people.

    Returns
    -------
    str
        The first line. ``…`` stands for everything with a slash or a file's ending, for what is
        quoted and no name of Python's, and for the names of the user and of the machine.
    """
    line = one_line(text.strip().partition("\n")[0])
    line = re.sub(_QUOTED, _unless_a_word_of_code, line)
    line = re.sub(_IN_A_PATH, "…", line)
    for name in _own_names():
        line = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", line, flags=re.IGNORECASE)
    return line


def _unless_a_word_of_code(found: re.Match[str]) -> str:
    inner = next(group for group in found.groups() if group is not None)
    is_of_code = re.fullmatch(r"[a-z_]\w*(\.\w+)*|NoneType", inner) is not None
    return found[0] if is_of_code and len(inner) < 40 else "…"


def _own_names() -> list[str]:
    """Return what the user and the machine are called here, as far as that can be known."""
    import getpass  # milliseconds, which a list of commands need not take
    import platform

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as containers have
        user = ""
    host = platform.node()
    return [name for name in (user, host, host.partition(".")[0]) if len(name) > 2]


def shell_line(arguments: Sequence[str], *, windows: bool | None = None) -> str:
    """Return a line that a shell takes apart into these arguments again.

    Parameters
    ----------
    arguments : sequence of str
    windows : bool, optional
        Quote for Windows' shells, cmd and PowerShell, and not for those of Unix; what runs here by
        default.
    """
    if windows is None:
        windows = os.name == "nt"
    return " ".join(map(_windows_word, arguments)) if windows else shlex.join(arguments)


def _windows_word(text: str) -> str:
    """Return an argument as Windows' programs take their line apart.

    In quotes a backslash is one, but before a quote; and so it is at the end.
    """
    if re.fullmatch(r"[\w\\/:.+=@-]+", text):
        return text
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', text)
    at_end = len(escaped) - len(escaped.rstrip("\\"))
    doubled = "\\" * at_end
    return f'"{escaped}{doubled}"'
