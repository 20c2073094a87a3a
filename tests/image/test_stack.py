"""What a stack says of itself after its axes are named anew or it has grown."""

from __future__ import annotations

import numpy as np
import pytest

from napari_srcnn.image.axes import axis_letter
from napari_srcnn.image.stack import Stack, StackError


def stack(axes: str, pixel_size: tuple[float, ...], units: tuple[str, ...]) -> Stack:
    shape = (3,) * (len(axes) - 2) + (4, 5)
    return Stack(data=np.zeros(shape, "u2"), axes=axes, pixel_size=pixel_size, units=units)


@pytest.mark.parametrize(
    ("label", "letter"),
    [
        ("channels", "C"),
        ("Channel", "C"),
        ("ch", "C"),
        ("t", "T"),
        (" Time", "T"),
        ("slices", "Z"),
        ("row", "Y"),
        ("-3", None),
        ("", None),
    ],
)
def test_an_axis_has_one_letter_whatever_word_is_its_label(label: str, letter: str | None) -> None:
    assert axis_letter(label) == letter


@pytest.mark.parametrize(
    ("before", "unit", "after"), [("Z", "micrometer", "T"), ("T", "second", "Z"), ("Z", "um", "C")]
)
def test_an_axis_that_is_named_anew_has_no_size_of_another_kind(
    before: str, unit: str, after: str
) -> None:
    known = stack(f"{before}YX", (2.0, 0.5, 0.5), (unit, "micrometer", "micrometer"))
    named = known.with_axes(f"{after}YX")
    assert named.pixel_size == (1.0, 0.5, 0.5)
    assert named.units == ("pixel", "micrometer", "micrometer")


def test_sizes_go_with_their_letters_where_two_axes_are_exchanged() -> None:
    known = stack("TZYX", (3.0, 2.0, 0.5, 0.5), ("second", *["micrometer"] * 3))
    named = known.with_axes("ZTYX")
    assert named.pixel_size == (2.0, 3.0, 0.5, 0.5)
    assert named.units == ("micrometer", "second", "micrometer", "micrometer")


def test_the_size_of_an_axis_without_a_meaning_is_kept_if_it_fits() -> None:
    known = stack("QYX", (2.0, 0.5, 0.5), ("micrometer",) * 3)
    assert known.with_axes("ZYX").pixel_size == (2.0, 0.5, 0.5)
    assert known.with_axes("TYX").pixel_size == (1.0, 0.5, 0.5)


def test_channel_names_are_dropped_where_there_are_no_such_channels() -> None:
    known = Stack(data=np.zeros((3, 4, 5)), axes="CYX", channel_names=("a", "b", "c"))
    assert known.with_axes("ZYX").channel_names == ()
    assert known.with_axes("CYX").channel_names == ("a", "b", "c")


def test_axes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(StackError, match="name 2 axes of an image that has 3"):
        stack("ZYX", (), ()).with_axes("YX")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_enlargement_of_an_image_at_the_origin_lies_over_it(scale: int) -> None:
    grown = stack("ZYX", (2.0, 0.5, 0.25), ("micrometer",) * 3).upscaled(scale)
    assert grown["pixel_size"] == pytest.approx((2.0, 0.5 / scale, 0.25 / scale))
    # The outer edge of the first pixel stays where it was.
    edges = [
        place - size / 2
        for place, size in zip(
            grown["metadata"]["layer"]["translate"], grown["pixel_size"], strict=True
        )
    ]
    assert edges == pytest.approx([-1.0, -0.25, -0.125])


def test_an_image_that_does_not_grow_stays_as_it_was() -> None:
    assert "layer" not in stack("YX", (), ()).upscaled(1)["metadata"]
