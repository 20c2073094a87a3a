"""Small files as microscopes' own programs write them, made of what their readers look for."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# ---------------------------------------------------------------- Leica


@dataclass(frozen=True, kw_only=True)
class LeicaImage:
    """An image; the axes of its pixels are some of M, T, Z, then C, Y, X, or Y, X, S for RGB."""

    name: str
    pixels: NDArray[Any]
    axes: str
    #: From the first to the last along an axis, in meters and seconds.
    lengths: Mapping[str, float]
    colors: Sequence[str] = ("Gray",)


def write_lif(path: Path, *images: LeicaImage) -> Path:
    elements = "".join(_lif_element(image, n) for n, image in enumerate(images))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="project"><Children>'
        f"{elements}</Children></Element></LMSDataContainerHeader>"
    )
    parts = [struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)), xml.encode("utf-16-le")]
    for n, image in enumerate(images):
        data, name = image.pixels.tobytes(), f"MemBlock_{n}"
        head = struct.pack("<IIBQBI", 0x70, 0, 0x2A, len(data), 0x2A, len(name))
        parts += [head, name.encode("utf-16-le"), data]
    path.write_bytes(b"".join(parts))
    return path


def _lif_element(image: LeicaImage, number: int) -> str:
    pixels, axes = image.pixels, image.axes
    strides = dict(zip(axes, pixels.strides, strict=True))
    samples = "S" if "S" in axes else "C"
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="{n + 1 if samples == "S" else 0}" '
        f'Resolution="{8 * pixels.itemsize}" NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" '
        f'LUTName="{color}" IsLUTInverted="0" BytesInc="{n * strides.get(samples, 0)}" '
        'BitInc="0"/>'
        for n, color in enumerate(image.colors)
    )
    numbers = {"X": 1, "Y": 2, "Z": 3, "T": 4, "M": 10}
    dimensions = "".join(
        f'<DimensionDescription DimID="{numbers[axis]}" NumberOfElements="{size}" Origin="0" '
        f'Length="{image.lengths.get(axis, 0)}" Unit="{"s" if axis == "T" else "m"}" '
        f'BytesInc="{strides[axis]}" BitInc="0"/>'
        for axis, size in reversed(list(zip(axes, pixels.shape, strict=True)))
        if axis in numbers
    )
    return (
        f'<Element Name="{image.name}"><Data><Image><ImageDescription><Channels>{channels}'
        f"</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{pixels.nbytes}" MemoryBlockID="MemBlock_{number}"/></Element>'
    )


# ---------------------------------------------------------------- Zeiss


@dataclass(frozen=True, kw_only=True)
class ZeissTile:
    """A tile (Y, X) or (Y, X, 3) in blue, green, red; `at` is where it begins along each axis."""

    pixels: NDArray[Any]
    at: Mapping[str, int]
    compression: int = 0
    data: bytes | None = None
    #: Of a pyramid's smaller levels: how many times as many pixels it stands for.
    smaller: int = 1


def write_czi(path: Path, tiles: Sequence[ZeissTile], xml: str) -> Path:
    kinds = {("u1", 1): 0, ("u2", 1): 1, ("u1", 3): 3, ("u2", 3): 4}
    content = bytearray(512 + 32)
    entries = []
    for tile in tiles:
        position = len(content)
        samples = tile.pixels.shape[2] if tile.pixels.ndim == 3 else 1
        height, width = tile.pixels.shape[:2]
        dims = [
            ("X", tile.at.get("X", 0), width * tile.smaller, width),
            ("Y", tile.at.get("Y", 0), height * tile.smaller, height),
            *((axis, start, 1, 1) for axis, start in tile.at.items() if axis not in "XY"),
        ]
        kind = kinds[tile.pixels.dtype.str[1:], samples]
        entry = struct.pack(
            "<2siqiiBB4si", b"DV", kind, position, 0, tile.compression, 0, 0, b"", len(dims)
        ) + b"".join(
            struct.pack("<4siifi", axis.encode(), start, size, 0.0, stored)
            for axis, start, size, stored in dims
        )
        data = tile.pixels.tobytes() if tile.data is None else tile.data
        head = struct.pack("<iiq", 0, 0, len(data)) + entry
        content += _segment(b"ZISRAWSUBBLOCK", head.ljust(256, b"\0") + data)
        entries.append(entry)
    directory = len(content)
    content += _segment(b"ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + b"".join(entries))
    metadata = len(content)
    text = xml.encode()
    content += _segment(b"ZISRAWMETADATA", struct.pack("<ii248x", len(text), 0) + text)
    head = struct.pack(
        "<iiii16s16siqqiq", 1, 0, 0, 0, b"", b"", 0, directory, metadata, 0, 0
    ).ljust(512, b"\0")
    content[: 512 + 32] = _segment(b"ZISRAWFILE", head)
    path.write_bytes(content)
    return path


def _segment(name: bytes, data: bytes) -> bytes:
    data = data.ljust(-(-len(data) // 32) * 32, b"\0")
    return struct.pack("<16sqq", name, len(data), len(data)) + data


def czi_xml(
    *,
    sizes: Mapping[str, float],
    between: float,
    channels: Mapping[str, str],
    scenes: Sequence[str],
) -> str:
    """Return a description; sizes in meters, the time between frames in seconds."""
    items = "".join(
        f'<Distance Id="{axis}"><Value>{size!r}</Value></Distance>' for axis, size in sizes.items()
    )
    named = "".join(f'<Channel Id="Channel:{n}" Name="{name}"/>' for n, name in enumerate(channels))
    shown = "".join(
        f'<Channel Id="Channel:{n}"><Color>{color}</Color></Channel>'
        for n, color in enumerate(channels.values())
    )
    listed = "".join(f'<Scene Index="{n}" Name="{name}"/>' for n, name in enumerate(scenes))
    return (
        "<ImageDocument><Metadata><Information><Image><Dimensions>"
        f"<Channels>{named}</Channels><S><Scenes>{listed}</Scenes></S><T><Positions><Interval>"
        f"<Increment>{between}</Increment></Interval></Positions></T></Dimensions></Image>"
        f"</Information><DisplaySetting><Channels>{shown}</Channels></DisplaySetting>"
        f"<Scaling><Items>{items}</Items></Scaling></Metadata></ImageDocument>"
    )


# ---------------------------------------------------------------- Nikon


@dataclass(frozen=True, kw_only=True)
class NikonStack:
    """Pixels (T, P, Z, C, Y, X), or (T, P, Z, Y, X, 3) for RGB, and what is said of them."""

    pixels: NDArray[Any]
    #: In micrometers and milliseconds.
    pixel: float
    step: float
    period: float
    points: Sequence[str]
    channels: Mapping[str, int]
    is_rgb: bool = False
    #: Without any, nd2 0.12 cannot read what is said of the channels.
    has_probes: bool = True


def write_nd2(path: Path, stack: NikonStack) -> Path:
    pixels = stack.pixels if stack.is_rgb else np.moveaxis(stack.pixels, 3, -1)
    times, _, depth, height, width, components = pixels.shape
    frames = np.ascontiguousarray(pixels).reshape(-1, height, width, components)
    attributes = {
        "uiWidth": width,
        "uiHeight": height,
        "uiWidthBytes": width * components * pixels.itemsize,
        "uiComp": components,
        "uiBpcInMemory": 8 * pixels.itemsize,
        "uiBpcSignificant": 8 * pixels.itemsize,
        "uiSequenceCount": len(frames),
        "eCompression": 2,
    }
    planes = {
        f"a{n}": {
            "uiCompCount": 3 if stack.is_rgb else 1,
            "uiSampleIndex": n,
            "sDescription": name,
            "uiColor": color,
            **({"pFluorescentProbe": {"uiCount": 0}} if stack.has_probes else {}),
        }
        for n, (name, color) in enumerate(stack.channels.items())
    }
    picture = {
        "dCalibration": stack.pixel,
        "bCalibrated": True,
        "sPicturePlanes": {"uiCount": len(planes), "sPlaneNew": planes},
    }
    depths = {"eType": 4, "uLoopPars": {"uiCount": depth, "dZStep": stack.step}}
    points = {"Points": {f"p{n}": {"dPosName": name} for n, name in enumerate(stack.points)}}
    places = {"eType": 2, "uLoopPars": points, "ppNextLevelEx": {"i0": depths}}
    period = {"dStart": 0.0, "dPeriod": stack.period, "dDuration": 0.0}
    experiment = {
        "eType": 1,
        "uLoopPars": {"uiCount": times, **period, "dAvgPeriodDiff": stack.period},
        "ppNextLevelEx": {"i0": places},
    }
    chunks = [
        (b"ImageAttributes!", _variant(attributes)),
        (b"ImageMetadataSeq|0!", _variant(picture)),
        (b"ImageMetadata!", _variant(experiment)),
        *((b"ImageDataSeq|%d!" % n, bytes(8) + frame.tobytes()) for n, frame in enumerate(frames)),
    ]
    content = bytearray(_chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1".ljust(64, b"\0"), 32))
    listed = b""
    for name, data in chunks:
        listed += name + struct.pack("QQ", len(content), len(data))
        content += _chunk(name, data, 4072)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!"
    place = struct.pack("Q", len(content))
    content += _chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", listed + end + place, 32)
    path.write_bytes(content)
    return path


def _chunk(name: bytes, data: bytes, reserved: int) -> bytes:
    return struct.pack("IIQ", 0x0ABECEDA, reserved, len(data)) + name.ljust(reserved, b"\0") + data


def _variant(values: Mapping[str, Any]) -> bytes:
    return f'<?xml version="1.0"?><variant><no_name>{_nodes(values)}</no_name></variant>'.encode()


def _nodes(values: Mapping[str, Any]) -> str:
    kinds = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}
    return "".join(
        f"<{name}>{_nodes(value)}</{name}>"
        if isinstance(value, Mapping)
        else f'<{name} runtype="{kinds[type(value)]}" value="{str(value).lower()}"/>'
        if isinstance(value, bool)
        else f'<{name} runtype="{kinds[type(value)]}" value="{value}"/>'
        for name, value in values.items()
    )
