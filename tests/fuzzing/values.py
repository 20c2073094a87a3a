"""Values that no program expects, and JSON in which a few of them stand."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

NUMBERS = st.sampled_from(
    [
        *(0, -1, 1, 2, 3, 255, 65536, 10**6),
        *(2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**60, 2**63, 2**64, -(2**63), 10**400),
        *(float("nan"), float("inf"), float("-inf"), 1e308, 5e-324, 0.5, -0.0),
    ]
)
#: Ways out of a folder: to what lies beside it, to a place of the system, and into a device.
WAYS_OUT = (
    "../outside/secret",
    "../../outside/secret",
    "a/../../outside/secret",
    "..\\outside\\secret",
    "/etc/passwd",
    "/dev/zero",
    "C:\\secret",
    "file:///etc/passwd",
    "..",
    ".",
    "",
    "/",
    "~/secret",
    "$HOME",
    "a\0b",
    "CON",
    "0/../../../outside/secret",
)
TEXTS = st.one_of(
    st.sampled_from(WAYS_OUT),
    st.sampled_from(
        ["\ud800", "\x1b[2J\x1b]0;x\x07", "a\nb\r\nc", "x" * 20_000, "%s%n{0}", "__import__('os')"]
    ),
    st.text(max_size=8),
)
SCALARS = st.one_of(NUMBERS, TEXTS, st.booleans(), st.none(), st.integers(-5, 70_000))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def altered(draw: st.DrawFn, value: Any, most: int = 3) -> Any:
    """JSON like `value`, with some of its parts replaced, removed, doubled or buried."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(0, most))):
        places = list(_places(value))
        if not places:
            break
        parent, key = draw(st.sampled_from(places))
        done = draw(st.sampled_from(["replace", "replace", "replace", "remove", "double", "bury"]))
        if done == "remove":
            del parent[key]
        elif done == "double":
            parent[key] = [parent[key]] * 2
        elif done == "bury":
            for _ in range(draw(st.sampled_from([1, 5, 200]))):
                parent[key] = [parent[key]]
        else:
            # Of the same type more often than not: what is of another is found out soon.
            same = {str: TEXTS, int: NUMBERS, float: NUMBERS}.get(type(parent[key]), ANYTHING)
            parent[key] = draw(st.one_of(same, same, ANYTHING))
    return value


@st.composite
def as_json(draw: st.DrawFn, value: Any) -> bytes:
    """JSON text, which may be nested without end, hold endless numbers, or end too early."""
    text = json.dumps(value)
    return draw(
        st.sampled_from([text] * 12 + [text[: len(text) // 2], text + text, f"\ufeff{text}"])
        | st.sampled_from(
            [
                "[" * 100_000,
                '{"a":' * 50_000 + "1" + "}" * 50_000,
                "1" * 10_000,
                "null",
                "[]",
                '""',
                "",
                "\0" * 100,
            ]
        )
    ).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every part of a value as what holds it and the key that it has there."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in list(keys):
        yield value, key
        yield from _places(value[key])
