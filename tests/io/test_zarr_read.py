from __future__ import annotations

import functools
import json
import os
import pickle
import shutil
import sys
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from napari_srcnn.io import (
    Stack,
    StackError,
    count_images,
    image_files,
    image_names,
    is_zarr,
    pyramid,
    read_stack,
    stack_name,
    write_zarr,
)

VERSIONS = pytest.mark.parametrize("version", ["0.5", "0.4"])
KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return (np.random.default_rng(0).random(shape) * 200).astype(dtype)


def group_of(path: Path, version: str, attributes: dict[str, Any]) -> zarr.Group:
    """A group with OME metadata, as other programs write it."""
    if version == "0.5":
        attributes = {"ome": {"version": "0.5", **attributes}}
    return zarr.create_group(
        path, zarr_format=3 if version == "0.5" else 2, attributes=attributes, overwrite=True
    )


def described(axes: str, paths: tuple[str, ...] = ("0",), **more: Any) -> dict[str, Any]:
    """One of a group's multiscales."""
    named = [{"name": name, **({"type": KINDS[name]} if name in KINDS else {})} for name in axes]
    scales = [
        {
            "path": path,
            "coordinateTransformations": [
                {"type": "scale", "scale": [2.0**n if name in "yx" else 1.0 for name in axes]}
            ],
        }
        for n, path in enumerate(paths)
    ]
    return {"axes": named, "datasets": scales, **more}


def foreign(
    path: Path,
    image: NDArray[Any],
    axes: str,
    *,
    version: str = "0.5",
    omero: dict[str, Any] | None = None,
    **more: Any,
) -> Path:
    """An OME-Zarr of one level."""
    attributes = {"multiscales": [described(axes, **more)]}
    if omero is not None:
        attributes["omero"] = omero  # type: ignore[assignment]
    group = group_of(path, version, attributes)
    chunks = tuple(max(1, n // 2) for n in image.shape)
    array = group.create_array("0", shape=image.shape, dtype=image.dtype, chunks=chunks)
    array[...] = image
    return path


def edited(path: Path, change: Any) -> Path:
    """Change the attributes of a 0.5 group by hand."""
    file = path / "zarr.json"
    document = json.loads(file.read_text())
    change(document["attributes"])
    file.write_text(json.dumps(document))
    return path


# -- pixels ---------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize(
    ("stored", "axes"),
    [
        ("tczyx", "TCZYX"),
        ("yx", "YX"),
        ("zyx", "ZYX"),
        ("tyxc", "TCYX"),
        ("xyz", "ZYX"),
        ("yxc", "CYX"),
        ("ayx", "QYX"),
    ],
)
def test_axes_in_any_order_come_in_ours(
    tmp_path: Path, stored: str, axes: str, version: str
) -> None:
    image = noise(*range(5, 5 + len(stored)))
    path = foreign(tmp_path / "a.zarr", image, stored, version=version)
    order = [stored.index({"Q": "a"}.get(letter, letter.lower())) for letter in axes]
    expected = image.transpose(order)
    with read_stack(path) as stack:
        assert stack.axes == axes
        assert stack.shape == expected.shape
        for key in (..., 0, -1, slice(1, None, 2), (slice(None, None, -2), slice(3, 1, -1))):
            np.testing.assert_array_equal(stack[key], expected[key])
        np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(stack.data))), expected)


@VERSIONS
@pytest.mark.parametrize("dtype", [">u2", "<i4", ">f4", "f8", "u1", "?"])
def test_pixels_come_in_the_machines_byte_order(tmp_path: Path, dtype: str, version: str) -> None:
    image = noise(9, 8, dtype=dtype)
    with read_stack(foreign(tmp_path / "a.zarr", image, "yx", version=version)) as stack:
        assert stack.dtype == image.dtype.newbyteorder("=")
        assert stack[...].dtype.isnative
        np.testing.assert_array_equal(stack[...], image)


@VERSIONS
def test_chunks_that_are_not_there_hold_the_fill_value(tmp_path: Path, version: str) -> None:
    group = group_of(tmp_path / "a.zarr", version, {"multiscales": [described("yx")]})
    array = group.create_array("0", shape=(4, 6), dtype="u2", chunks=(2, 3), fill_value=7)
    array[:2] = 1
    with read_stack(tmp_path / "a.zarr") as stack:
        assert stack[...].tolist() == [[1] * 6] * 2 + [[7] * 6] * 2


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_a_truncated_file_is_said(tmp_path: Path, version: str) -> None:
    image = noise(64, 64)
    path = write_zarr(tmp_path / "a.zarr", Stack(data=image, axes="YX"), version=version)
    (file,) = [p for p in (path / "0").rglob("*") if p.is_file() and p.name[0] in "0123456789"]
    file.write_bytes(file.read_bytes()[:-20])
    with read_stack(path) as stack, pytest.raises(StackError, match=r"a\.zarr is damaged"):
        stack[...]


def test_a_pyramid_gives_its_levels(tmp_path: Path) -> None:
    image = noise(3, 1100, 600)
    path = write_zarr(tmp_path / "a.zarr", Stack(data=image, axes="ZYX"))
    levels = pyramid(path)
    assert [level.shape for level in levels] == [(3, 1100, 600), (3, 550, 300), (3, 275, 150)]
    assert levels[0].chunks == (1, 512, 512)
    mean = image.reshape(3, 550, 2, 300, 2).mean((2, 4))
    np.testing.assert_array_equal(levels[1][...], np.rint(mean))
    np.testing.assert_array_equal(
        np.asarray(pickle.loads(pickle.dumps(levels[2]))), np.asarray(levels[2])
    )


# -- what the metadata say ------------------------------------------------------------------------


@VERSIONS
def test_sizes_units_and_places_of_other_programs_are_read(tmp_path: Path, version: str) -> None:
    image = described("tzyx")
    for axis, unit in zip(
        image["axes"], ("second", "micrometer", "nanometer", "pixel"), strict=True
    ):
        axis["unit"] = unit
    image["datasets"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [1.0, 0.5, 20.0, 30.0]},
        {"type": "translation", "translation": [0.0, 1.0, 2.0, 3.0]},
    ]
    # Of the whole pyramid: applied after those of the level.
    image["coordinateTransformations"] = [{"type": "scale", "scale": [0.1, 2.0, 1.0, 1.0]}]
    group = group_of(tmp_path / "a.zarr", version, {"multiscales": [image]})
    group.create_array("0", shape=(2, 3, 4, 5), dtype="u1", chunks=(1, 1, 4, 5))
    with read_stack(tmp_path / "a.zarr") as stack:
        assert stack.pixel_size == (0.1, 1.0, 20.0, 30.0)
        assert stack.units == ("second", "micrometer", "nanometer", "pixel")
        assert stack.metadata["layer"] == {"translate": [0.0, 2.0, 2.0, 3.0]}


@VERSIONS
def test_channels_of_other_programs_are_read(tmp_path: Path, version: str) -> None:
    channels = [
        {
            "label": "DAPI",
            "color": "0000FF",
            "window": {"min": 0, "max": 65535, "start": 10, "end": 90},
        },
        {"color": "00ff00", "window": {"min": 0, "max": 65535, "start": 0, "end": 65535}},
    ]
    path = foreign(
        tmp_path / "a.zarr", noise(2, 9, 9), "cyx", version=version, omero={"channels": channels}
    )
    with read_stack(path) as stack:
        assert stack.channel_names == ("DAPI", "")
        assert stack.channel_colors == ("#0000ff", "#00ff00")
        assert stack.metadata["windows"] == [[10, 90], None]
        assert stack.notes == ()


def test_names_and_axes_of_before_0_4_are_read(tmp_path: Path) -> None:
    image = noise(1, 2, 3, 8, 9)
    for number, more in enumerate(({}, {"axes": ["t", "c", "z", "y", "x"]})):
        described_so = {"version": "0.3", "datasets": [{"path": "0"}], **more}
        group = group_of(tmp_path / f"{number}.zarr", "0.4", {"multiscales": [described_so]})
        array = group.create_array("0", shape=image.shape, dtype="u2", chunks=(1, 1, 1, 8, 9))
        array[...] = image
        with read_stack(tmp_path / f"{number}.zarr") as stack:
            assert stack.axes == "TCZYX"
            np.testing.assert_array_equal(stack[...], image)


def test_what_another_program_corrected_stands(tmp_path: Path) -> None:
    stack = Stack(
        data=noise(3, 9, 9),
        axes="ZYX",
        pixel_size=(1, 2, 2),
        units=("micrometer",) * 3,
        metadata={"layer": {"translate": [1, 1, 1], "rotate": np.eye(3).tolist()}},
    )
    path = write_zarr(tmp_path / "a.zarr", stack)

    def correct(attributes: Any) -> None:
        attributes["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"] = [
            {"type": "scale", "scale": [5.0, 6.0, 7.0]},
            {"type": "translation", "translation": [8.0, 9.0, 10.0]},
        ]

    with read_stack(edited(path, correct)) as again:
        assert again.pixel_size == (5.0, 6.0, 7.0)
        layer = again.metadata["layer"]
        assert layer == {"translate": [8.0, 9.0, 10.0], "rotate": np.eye(3).tolist()}


def test_what_this_package_said_of_another_shape_is_left(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "a.zarr", Stack(data=noise(3, 9, 9), axes="QYX"))

    def crop(attributes: Any) -> None:
        attributes["napari_srcnn"]["shape"] = [4, 9, 9]
        attributes["ome"]["multiscales"][0]["axes"][0] = {"name": "z", "type": "space"}

    with read_stack(edited(path, crop)) as stack:
        assert stack.axes == "ZYX"


@pytest.mark.parametrize("names", [None, ("z", "y", "x"), ("x", "y", "z")], ids=str)
def test_an_array_without_ome_metadata_is_an_image(
    tmp_path: Path, names: tuple[str, ...] | None
) -> None:
    image = noise(4, 9, 8)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=image.shape, dtype="u2", chunks=(1, 9, 8), dimension_names=names
    )
    array[...] = image
    with read_stack(tmp_path / "a.zarr") as stack:
        assert stack.axes == ("ZYX" if names else "QYX")
        expected = image.transpose() if names and names[0] == "x" else image
        np.testing.assert_array_equal(stack[...], expected)
        assert "no OME metadata" in stack.notes[0]
        assert any("last two" in note for note in stack.notes) == (names is None)
    # And each array of a group that says nothing, as xarray names the axes in zarr v2.
    group = zarr.create_group(tmp_path / "g.zarr", zarr_format=2)
    for name in ("b", "a"):
        one = group.create_array(name, shape=(9, 8), dtype="u2", chunks=(9, 8))
        one.attrs["_ARRAY_DIMENSIONS"] = ["y", "x"]
    group.create_array("time", shape=(9,), dtype="u2", chunks=(9,))
    (tmp_path / "g.zarr" / "thumbs.db").write_text("left by a file manager")
    assert image_names(tmp_path / "g.zarr") == ("a", "b")


# -- several images -------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("listed", [True, False])
def test_the_series_of_bioformats2raw_are_images(
    tmp_path: Path, listed: bool, version: str
) -> None:
    path = tmp_path / "a.ome.zarr"
    group_of(path, version, {"bioformats2raw.layout": 3})
    names = ("1", "0") if listed else ("0", "1")
    for number, name in enumerate(names):
        foreign(path / name, noise(9 + number, 8), "yx", version=version)
    if listed:
        group_of(path / "OME", version, {"series": list(names)})
    (path / "OME").mkdir(exist_ok=True)
    (path / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    assert image_names(path) == names
    for number in (0, 1):
        with read_stack(path, series=number) as stack:
            assert stack.shape == (9 + number, 8)
            assert (stack.metadata["ome_xml"], stack.metadata["ome_image"]) == ("<OME/>", number)
            assert f"of the file's 2 images this is number {number + 1}" in stack.notes[0]
    with pytest.raises(StackError, match="holds 2 images; there is no number 2"):
        read_stack(path, series=2)


@VERSIONS
def test_the_fields_of_a_plate_are_images(tmp_path: Path, version: str) -> None:
    path = tmp_path / "plate.ome.zarr"
    wells = [
        {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
        {"path": "B/3", "rowIndex": 1, "columnIndex": 1},
    ]
    plate = {
        "columns": [{"name": "1"}, {"name": "3"}],
        "rows": [{"name": "A"}, {"name": "B"}],
        "wells": wells,
    }
    group_of(path, version, {"plate": plate})
    for number, well in enumerate(wells):
        fields = [{"path": str(n)} for n in range(number + 1)]
        group_of(path / str(well["path"]), version, {"well": {"images": fields}})
        for n in range(number + 1):
            place = path / str(well["path"]) / str(n)
            foreign(place, np.full((9, 8), 10 * number + n, "u1"), "yx", version=version)
    assert image_names(path) == ("A/1/0", "B/3/0", "B/3/1")
    assert count_images(path) == 3
    assert [int(read_stack(path, series=n)[0, 0]) for n in range(3)] == [0, 10, 11]
    # A part of it, opened alone.
    assert image_names(path / "B" / "3") == ("0", "1")
    assert read_stack(path / "B" / "3" / "1")[0, 0] == 11


# -- where it lies --------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("name", ["cells.ome.zarr.zip", "cells.zarr.zip", "cells.ozx"])
@pytest.mark.parametrize("folder", ["", "cells.ome.zarr/"])
def test_zip_files_are_read(tmp_path: Path, name: str, folder: str, version: str) -> None:
    image = noise(3, 30, 20)
    made = write_zarr(tmp_path / "b.zarr", Stack(data=image, axes="ZYX"), version=version)
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as file:
        for part in sorted(made.rglob("*")):
            if part.is_file():
                file.write(part, folder + part.relative_to(made).as_posix())
    assert is_zarr(path)
    with read_stack(path) as stack:
        assert stack.name == "cells"
        np.testing.assert_array_equal(stack[...], image)
        again = pickle.loads(pickle.dumps(stack.data))
        np.testing.assert_array_equal(again[1], image[1])
        again.close()
    assert image_files(path) == (path,)


class Quiet(SimpleHTTPRequestHandler):
    def log_request(self, *_: object) -> None:
        """Say nothing of requests."""

    log_error = log_request


def test_addresses_are_read_and_what_is_not_there_is_said(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="needs the extra 'web'")
    image = noise(3, 9, 8)
    write_zarr(tmp_path / "two cells.ome.zarr", Stack(data=image, axes="ZYX"))
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        with read_stack(f"{base}/two%20cells.ome.zarr") as stack:
            assert stack.name == "two cells"
            np.testing.assert_array_equal(stack[...], image)
        # As a path, an address loses one of its strokes.
        with read_stack(Path(f"{base}/two%20cells.ome.zarr")) as stack:
            assert stack.shape == (3, 9, 8)
        with pytest.raises(StackError, match=r"other.ome.zarr holds no zarr group or array"):
            read_stack(f"{base}/other.ome.zarr")
        server.shutdown()
    with pytest.raises(StackError, match=r"two%20cells.ome.zarr cannot be opened"):
        read_stack(f"{base}/two%20cells.ome.zarr")


def test_without_the_package_for_addresses_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were not installed
    with pytest.raises(StackError, match=r"pip install 'napari-srcnn\[web\]'"):
        read_stack("s3://bucket/a.ome.zarr")


def test_a_folder_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    path = foreign(tmp_path / "no ending", noise(9, 8), "yx")
    assert is_zarr(path)
    assert is_zarr(path / "0")
    assert not is_zarr(tmp_path)
    assert read_stack(f"{path}/").name == "no ending"
    assert [stack_name(name) for name in ("a.ome.zarr", "b.zarr", "c.zarr.zip")] == ["a", "b", "c"]


# -- what is wrong --------------------------------------------------------------------------------


def broken(attributes: Any, what: str) -> None:
    """Make the metadata of an image contradict themselves."""
    image = attributes["ome"]["multiscales"][0]
    data = image["datasets"][0]
    if what == "axes":
        image["axes"].append({"name": "q"})
    elif what == "scale":
        data["coordinateTransformations"][0]["scale"] = [1.0, 2.0]
    elif what == "path":
        data["path"] = "s0"
    elif what == "no axes":
        del image["axes"]
    elif what == "no datasets":
        image["datasets"] = []
    elif what == "no y":
        image["axes"] = [{"name": name} for name in "abc"]
    elif what == "no dictionary":
        attributes["ome"]["multiscales"] = ["image"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("axes", "names 4 axes of an array that has 3"),
        ("scale", "its scale has 2 values for its 3 axes"),
        ("path", "names the array s0, which is not in it"),
        ("no axes", "does not say what the 3 axes"),
        ("no datasets", "names no arrays"),
        ("no y", "does not say which axes .* are Y and X; they are called a, b, c"),
        ("no dictionary", "is damaged or of an unsupported kind"),
    ],
)
def test_metadata_that_contradict_are_refused_in_one_sentence(
    tmp_path: Path, what: str, said: str
) -> None:
    path = foreign(tmp_path / "a.zarr", noise(3, 9, 8), "zyx")
    edited(path, lambda attributes: broken(attributes, what))
    with pytest.raises(StackError, match=said) as caught:
        read_stack(path)
    assert "\n" not in str(caught.value)
    assert "a.zarr" in str(caught.value)


def test_what_is_no_zarr_is_refused_in_one_sentence(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(StackError) as caught:
            read_stack(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "there is no file or folder" in said(tmp_path / "nothing.zarr")
    (tmp_path / "empty.zarr").mkdir()
    assert said(tmp_path / "empty.zarr") == "empty.zarr is an empty folder"
    (tmp_path / "texts.zarr").mkdir()
    (tmp_path / "texts.zarr" / "a.txt").write_text("a")
    assert said(tmp_path / "texts.zarr") == "texts.zarr holds no zarr group or array"
    (tmp_path / "text.zarr.zip").write_text("no zip file")
    assert "cannot be opened as OME-Zarr" in said(tmp_path / "text.zarr.zip")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    assert "bad.zarr cannot be opened as OME-Zarr" in said(tmp_path / "bad.zarr")
    group_of(tmp_path / "group.zarr", "0.5", {})
    assert said(tmp_path / "group.zarr") == "group.zarr holds no image"
    zarr.create_array(tmp_path / "line.zarr", shape=(9,), dtype="u1")
    assert "an array of 1 axes" in said(tmp_path / "line.zarr")
    complexes = zarr.create_array(tmp_path / "c.zarr", shape=(9, 9), dtype="complex64")
    assert complexes.ndim == 2
    assert "values of type complex64" in said(tmp_path / "c.zarr")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_without_permission_it_is_said(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.zarr", noise(9, 8), "yx")
    (path / "zarr.json").chmod(0)
    with pytest.raises(StackError, match="Permission denied"):
        read_stack(path)


def test_levels_that_are_missing_or_larger_are_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    paths = ("0", "1", "2", "gone")
    group = group_of(path, "0.5", {"multiscales": [described("yx", paths)]})
    for name, size in (("0", 16), ("1", 32), ("2", 8)):
        group.create_array(name, shape=(size, size), dtype="u1", chunks=(8, 8))
    assert [level.shape for level in pyramid(path)] == [(16, 16), (8, 8)]
    with read_stack(path) as stack:
        assert len(stack.notes) == 2
        assert "gone" in stack.notes[1]


def test_channels_that_do_not_fit_are_said(tmp_path: Path) -> None:
    channels = [{"label": "one", "color": "FFFFFF"}]
    path = foreign(tmp_path / "a.zarr", noise(2, 9, 8), "cyx", omero={"channels": channels})
    with read_stack(path) as stack:
        assert stack.channel_names == ()
        assert "another number of channels (1, not 2)" in stack.notes[0]


def test_a_plate_without_a_field_is_said(tmp_path: Path) -> None:
    path = tmp_path / "plate.zarr"
    group_of(path, "0.5", {"plate": {"wells": [{"path": "A/1"}]}})
    group_of(path / "A" / "1", "0.5", {"well": {"images": [{"path": "0"}]}})
    with pytest.raises(StackError, match="names A/1/0, which is not in it"):
        read_stack(path)
    shutil.rmtree(path / "A")
    with pytest.raises(StackError, match="names A/1, which is not in it"):
        image_names(path)
