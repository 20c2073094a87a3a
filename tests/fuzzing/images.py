"""TIFF files: their directories, their OME-XML, ImageJ's words and other programs'."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fuzzing.case import Drawn, Kind
from fuzzing.values import NUMBERS, TEXTS, WAYS_OUT, altered, as_json
from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.io import image_files, image_names, read_stack

# Bytes of a value, by the type of a tag.
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 7: "s", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q"}
SIDE = 8


def look_at(stack: Stack) -> None:
    """Read of an image what fits on a screen, and all of a small one."""
    with stack:
        if stack.ndim > 64:
            return
        y = stack.axes.index("Y")
        for place in (0, -1):
            corner = (*(place,) * y, slice(0, SIDE), slice(0, SIDE))
            np.asarray(stack.data[corner])
        if np.prod([float(n) for n in stack.shape]) <= 2**20:
            np.asarray(stack.data[...])


def read_all(path: Path) -> None:
    """Do with a file of images what the plugin does."""
    names = image_names(path)
    image_files(path)
    for number in range(min(len(names), 3)):
        look_at(read_stack(path, series=number))


# ---------------------------------------------------------------- directories

Entry = tuple[int, int, int, bytes]  # tag, type, count, values


@dataclass
class Page:
    """A directory: its tags, and the pixels that its strips lie in."""

    entries: list[Entry]
    pixels: bytes = b""
    link: int | None = None  # instead of the next page's place


@dataclass
class Tiff:
    """A file of pages, written as its fields say, whether that makes sense or not."""

    pages: list[Page] = field(default_factory=list)
    order: str = "<"
    big: bool = False
    first: int | None = None

    def write(self) -> bytes:
        order, big = self.order, self.big
        word, inline, head = ("Q", 8, 16) if big else ("I", 4, 8)
        mark = b"II" if order == "<" else b"MM"
        out = bytearray(mark + struct.pack(order + "H", 43 if big else 42))
        out += struct.pack(order + "HHQ", 8, 0, 0) if big else bytes(4)
        link = head - inline
        begins = []
        for page in self.pages:
            place = len(out)
            out += page.pixels + bytes(-len(page.pixels) % 2)
            rows = []
            for tag, kind, count, values in page.entries:
                if tag in (273, 324) and values == b"here":
                    values = struct.pack(order + word, place)[:inline]
                    kind = 16 if big else 4
                if len(values) > inline:
                    at, listed = len(out), values
                    out += listed + bytes(-len(listed) % 2)
                    values = struct.pack(order + word, at)
                rows.append(struct.pack(order + f"HH{word}", tag, kind, count % 2 ** (8 * inline)))
                rows.append(values.ljust(inline, b"\0")[:inline])
            begins.append(len(out))
            out[link : link + inline] = struct.pack(order + word, len(out))
            out += struct.pack(order + ("Q" if big else "H"), len(page.entries)) + b"".join(rows)
            link = len(out)
            target = 0 if page.link is None else begins[page.link % len(begins)]
            out += struct.pack(order + word, target)
        if self.first is not None:
            out[head - inline : head] = struct.pack(order + word, self.first)
        return bytes(out)


def entry(order: str, tag: int, kind: int, *values: Any) -> Entry:
    """Return a tag with its values as its type says."""
    if kind in (2, 7):
        text = values[0] if isinstance(values[0], bytes) else values[0].encode("utf-8", "replace")
        return tag, kind, len(text), text
    if kind == 5:
        return tag, kind, len(values) // 2, struct.pack(f"{order}{len(values)}I", *values)
    return tag, kind, len(values), struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)


def plain_page(
    order: str, side: int = SIDE, *, description: bytes | None = None, dtype: str = "u1"
) -> Page:
    """Return a page of small numbers without compression."""
    size = np.dtype(dtype).itemsize
    pixels = (np.arange(side * side) % 251).astype(order + dtype).tobytes()
    entries = [
        entry(order, 256, 4, side),
        entry(order, 257, 4, side),
        entry(order, 258, 3, 8 * size),
        entry(order, 259, 3, 1),
        entry(order, 262, 3, 1),
        (273, 4, 1, b"here"),
        entry(order, 277, 3, 1),
        entry(order, 278, 4, side),
        entry(order, 279, 4, len(pixels)),
    ]
    if description is not None:
        entries.append(entry(order, 270, 2, description + b"\0"))
    return Page(sorted(entries), pixels)


_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 33007, 34712, 34887, 34892, 34925, 34933)
_MORE = (34934, 50000, 50001, 50002, 50013, 52546, 65000, 22610, 32809, 34676, 65535)
_SIZES = st.sampled_from(
    [0, 1, 7, 8, 16, 64, 4096, 65535, 65536, 2**20, 2**31 - 1, 2**31, 2**32 - 1]
)
# What a directory may say beside its size.
_TAGS = (254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 282, 283, 284, 296)
_OTHERS = (
    306,
    317,
    320,
    322,
    323,
    324,
    325,
    330,
    338,
    339,
    347,
    530,
    532,
    700,
    32996,
    32997,
    33550,
)
_PRIVATE = (
    33628,
    33629,
    33630,
    33631,
    34361,
    34362,
    34412,
    34665,
    34853,
    37706,
    42112,
    42113,
    50839,
)
_MANY = (50838, 51123, 65000, 65420, 65426, 65439)


@st.composite
def tiffs(draw: st.DrawFn) -> Drawn:
    """A file of directories that lie about sizes, counts, places and compression."""
    order = draw(st.sampled_from("<>"))
    tiff = Tiff(order=order, big=draw(st.booleans()))
    for _ in range(draw(st.integers(1, 4))):
        page = plain_page(order, dtype=draw(st.sampled_from(["u1", "u2", "f4"])))
        if draw(st.integers(0, 2)) == 0:
            page = draw(packed(order, page))
        for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
            page.entries = draw(_worse(page.entries))
        page.link = draw(st.sampled_from([None] * 12 + [0, 1, -1]))
        tiff.pages.append(page)
    tiff.first = draw(st.sampled_from([None] * 12 + [0, 1, 2**31, 2**32 - 1]))
    content = tiff.write()
    ending = draw(st.sampled_from([0] * 9 + [1, 5, 50]))
    return {"a.tif": content[: len(content) - ending]}, None


@st.composite
def _worse(draw: st.DrawFn, entries: list[Entry]) -> list[Entry]:
    """A directory with one of its tags otherwise, doubled, removed or added."""
    entries = list(entries)
    at = draw(st.integers(0, len(entries) - 1))
    tag, kind, count, values = entries[at]
    how = draw(
        st.sampled_from(
            ["value", "value", "value", "count", "type", "tag", "drop", "double", "add"]
        )
    )
    order = "<"
    if how == "value":
        number = draw(_SIZES | st.integers(0, 70_000))
        if tag == 259:
            kind, number = 3, draw(st.sampled_from((*_COMPRESSIONS, *_MORE)))
        word = "H" if kind == 3 else "Q" if kind == 16 else "I"
        values = struct.pack(f"{order}{word}", number % (2 ** (16 if kind == 3 else 32)))
    elif how == "count":
        count = draw(st.sampled_from([0, 2, 3, 1000, 2**16, 2**31 - 1, 2**32 - 1, 2**62]))
    elif how == "type":
        kind = draw(st.integers(0, 20))
    elif how == "tag":
        tag = draw(st.sampled_from((*_TAGS, *_OTHERS, *_PRIVATE, *_MANY)))
    elif how == "drop":
        return entries[:at] + entries[at + 1 :] or entries
    elif how == "double":
        return entries + [entries[at]] * draw(st.sampled_from([1, 3, 1000]))
    else:
        tag = draw(st.sampled_from((*_OTHERS, *_PRIVATE, *_MANY)))
        kind = draw(st.sampled_from([1, 2, 3, 4, 5, 7, 11, 12, 13, 16]))
        values = draw(st.binary(max_size=64))
        count = draw(st.sampled_from([len(values) // _BYTES[kind], 1, 2, 10**6, 2**31]))
        return [*entries, (tag, kind, count, values)]
    entries[at] = tag, kind, count, values
    return entries


@st.composite
def packed(draw: st.DrawFn, order: str, page: Page) -> Page:
    """A page whose strip is compressed, and becomes more than the page says, or less."""
    real = draw(st.sampled_from([SIDE * SIDE, 0, 10, 10**5, 10**7]))
    width = draw(st.sampled_from([SIDE] * 3 + [256, 2**14, 2**16, 2**31 - 1]))
    height = draw(st.sampled_from([SIDE] * 3 + [256, 2**14, 2**16, 2**31 - 1]))
    plain = bytes(real)
    code, content = draw(
        st.sampled_from(
            [
                (8, zlib.compress(plain, 9)),
                (32946, zlib.compress(plain, 9)),
                (5, b"\x80\x00\x20\x10"),
                (32773, bytes([129, 0]) * (real // 128 + 1) if real < 10**6 else b"\x81\0" * 9000),
                (7, jpeg(width, height)),
                (7, jpeg(SIDE, SIDE)),
                (7, jpeg(65500, 65500)),
                (34712, b"\xff\x4f\xff\x51" + bytes(64)),
                (50000, _zstd(real)),
                (34925, b"\xfd7zXZ\0" + bytes(30)),
                (50001, b"RIFF\x24\0\0\0WEBPVP8 " + bytes(30)),
                (34887, b"Lerc2 " + struct.pack("<i", 4) + b"\xff" * 60),
                (34892, jpeg(width, height)),
                (1, plain[:100]),
            ]
        )
    )
    replaced = {
        256: entry(order, 256, 4, width),
        257: entry(order, 257, 4, height),
        258: entry(order, 258, 3, 8),
        259: entry(order, 259, 3, code),
        278: entry(order, 278, 4, height),
        279: entry(order, 279, 4, len(content)),
    }
    entries = [replaced.get(one[0], one) for one in page.entries]
    if draw(st.integers(0, 3)) == 0:
        # As one tile instead of one strip.
        entries = [one for one in entries if one[0] not in (273, 278, 279)]
        side = draw(st.sampled_from([16, 256, 2**16, 2**31 - 16]))
        entries += [entry(order, 322, 4, side), entry(order, 323, 4, side)]
        entries += [(324, 4, 1, b"here"), entry(order, 325, 4, len(content))]
    if draw(st.integers(0, 3)) == 0:
        entries.append(entry(order, 317, 3, draw(st.sampled_from([2, 3, 34892, 9]))))
    return Page(sorted(entries), content)


def jpeg(width: int, height: int) -> bytes:
    """Return the head of a JPEG of a size, without its pixels."""
    frame = struct.pack(">HBHHB", 11, 8, height % 65536, width % 65536, 1) + b"\x01\x11\x00"
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)
    quantities = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    codes = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]) + bytes(range(12))
    dc = b"\xff\xc4" + struct.pack(">HB", 19 + 12, 0) + codes
    ac = b"\xff\xc4" + struct.pack(">HB", 19 + 12, 0x10) + codes
    return b"\xff\xd8" + quantities + b"\xff\xc0" + frame + dc + ac + scan + bytes(20) + b"\xff\xd9"


def _zstd(size: int) -> bytes:
    from imagecodecs import zstd_encode

    packed: bytes = zstd_encode(bytes(size), level=3)
    return packed


# ---------------------------------------------------------------- OME-XML

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_LAUGHS = "".join(
    f'<!ENTITY a{n} "{"&a" + str(n - 1) + ";" if n else "ha"}'
    f'{("&a" + str(n - 1) + ";") * 9 if n else ""}">'
    for n in range(12)
)
_DTDS = (
    f"<!DOCTYPE OME [{_LAUGHS}]>",
    '<!DOCTYPE OME [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE OME [<!ENTITY x SYSTEM "../outside/secret">]>',
    '<!DOCTYPE OME SYSTEM "http://127.0.0.1:9/x.dtd">',
    f'<!DOCTYPE OME [<!ENTITY x "{"y" * 50_000}">]>',
    '<!DOCTYPE OME [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
)
_ENTITY = {0: "&a11;", 1: "&x;", 2: "&x;", 3: "", 4: "&x;" * 5000, 5: ""}


def _quoted(value: Any) -> str:
    text = str(value).encode("utf-8", "replace").decode()
    for sign, name in (("&", "amp"), ("<", "lt"), ('"', "quot")):
        text = text.replace(sign, f"&{name};")
    return "".join(c for c in text if c >= " ")[:2000]


@st.composite
def ome_xml(draw: st.DrawFn, *, pages: int, own: str = "a.ome.tif") -> str:
    """OME-XML that promises too much, points elsewhere, or is a bomb."""
    sizes: dict[str, Any] = {"X": SIDE, "Y": SIDE, "Z": pages, "C": 1, "T": 1}
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        sizes[draw(st.sampled_from("XYZCT"))] = draw(NUMBERS)
    order = draw(st.sampled_from(["XYZCT"] * 6 + ["XYCZT", "ZYX", "XYZ", "XXXXX", "", "XYZCTQ"]))
    pixels = {f"Size{axis}": size for axis, size in sizes.items()}
    pixels |= {"DimensionOrder": order, "Type": "uint8", "ID": "Pixels:0"}
    for name in ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ", "TimeIncrement"):
        if draw(st.booleans()):
            pixels[name] = draw(NUMBERS | TEXTS)
            pixels[name + "Unit"] = draw(st.sampled_from(["µm", "s", "nope", "pixel"]))
    if draw(st.integers(0, 3)) == 0:
        pixels["SignificantBits"] = draw(NUMBERS)
    inner = ""
    for _ in range(draw(st.integers(0, 3))):
        inner += (
            f'<Channel ID="c" Name="{_quoted(draw(TEXTS))}" Color="{_quoted(draw(NUMBERS))}" '
            f'SamplesPerPixel="{draw(st.sampled_from([1, 1, 1, 3, 0, -1, 2**40]))}"/>'
        )
    for _ in range(draw(st.integers(1, 3))):
        counts = {
            name: draw(st.sampled_from([0, 0, 1, pages]) | NUMBERS)
            for name in draw(st.sets(st.sampled_from(["IFD", "PlaneCount", "FirstZ", "FirstT"])))
        }
        listed = " ".join(f'{name}="{_quoted(value)}"' for name, value in counts.items())
        uuid = ""
        if draw(st.booleans()):
            named = draw(st.sampled_from([own, "other.ome.tif", "text.txt", *WAYS_OUT, "gone.tif"]))
            uuid = f'<UUID FileName="{_quoted(named)}">urn:uuid:{draw(st.integers(0, 2))}</UUID>'
        inner += f"<TiffData {listed}>{uuid}</TiffData>"
    for _ in range(draw(st.integers(0, 2))):
        time = _quoted(draw(NUMBERS))
        inner += f'<Plane TheZ="{_quoted(draw(NUMBERS))}" TheC="0" TheT="0" DeltaT="{time}"/>'
    said = " ".join(f'{name}="{_quoted(value)}"' for name, value in pixels.items())
    image = f'<Image ID="Image:0" Name="{_quoted(draw(TEXTS))}"><Pixels {said}>{inner}</Pixels>'
    notes = ""
    kind = draw(st.integers(0, 7))
    if kind == 0:
        note = {"axes": "ZYX", "stored_axes": "ZYX", "shape": [pages, SIDE, SIDE]}
        note |= {"pixel_size": [1.0, 1.0, 1.0], "units": ["pixel"] * 3}
        text = draw(as_json(draw(altered(note)))).decode("utf-8", "replace")
        notes = (
            '<StructuredAnnotations><CommentAnnotation ID="a" Namespace="napari-srcnn"><Value>'
            f"{_quoted(text)}</Value></CommentAnnotation></StructuredAnnotations>"
        )
    elif kind == 1:
        image += '<AnnotationRef ID="m"/>'
        ends = f'Start="0" End="{_quoted(draw(NUMBERS))}" Step="{_quoted(draw(NUMBERS))}"'
        notes = (
            '<StructuredAnnotations><XMLAnnotation ID="m" Namespace="openmicroscopy.org/omero/'
            f'dimension/modulo"><Value><Modulo><ModuloAlongZ Type="lifetime" {ends}/></Modulo>'
            "</Value></XMLAnnotation></StructuredAnnotations>"
        )
    elif kind == 2:
        depth = draw(st.sampled_from([10, 1000, 20_000]))
        notes = "<a>" * depth + "</a>" * depth
    image += "</Image>" * draw(st.sampled_from([1] * 9 + [0]))
    dtd, used = "", ""
    if draw(st.integers(0, 4)) == 0:
        number = draw(st.integers(0, len(_DTDS) - 1))
        dtd, used = _DTDS[number], f"<Description>{_ENTITY[number]}</Description>"
    root = draw(st.sampled_from(["", 'UUID="urn:uuid:0"']))
    if draw(st.integers(0, 9)) == 0:
        named = _quoted(draw(st.sampled_from([*WAYS_OUT, "other.ome.tif", "text.txt"])))
        image = f'<BinaryOnly MetadataFile="{named}" UUID="urn:uuid:1"/>'
    return f'{_HEAD}{dtd}<OME xmlns="{_NAMESPACE}" {root}>{used}{image}{notes}</OME>'


@st.composite
def ome_tiffs(draw: st.DrawFn) -> Drawn:
    """An OME-TIFF, another one beside it, and one that is none of its business."""
    pages = draw(st.integers(1, 3))
    xml = draw(ome_xml(pages=pages)).encode()
    tiff = Tiff([plain_page("<", description=xml if not n else None) for n in range(pages)])
    other = Tiff([plain_page("<")])
    if draw(st.integers(0, 3)) == 0:
        other.pages[0].link = 0
    return {
        "a.ome.tif": tiff.write(),
        "other.ome.tif": other.write(),
        "text.txt": draw(st.sampled_from([xml, b"text", b""])),
        "../outside/secret": Tiff([plain_page("<")]).write(),
    }, "a.ome.tif"


# ---------------------------------------------------------------- ImageJ and other programs

_IMAGEJ = (
    "images",
    "channels",
    "slices",
    "frames",
    "spacing",
    "finterval",
    "min",
    "max",
    "c0",
    "c1",
)
_WORDS = ("hyperstack", "mode", "unit", "yunit", "zunit", "cf", "vunit", "loop", "xorigin", "tunit")


@st.composite
def imagej(draw: st.DrawFn) -> Drawn:
    """A file whose description is ImageJ's, with its binary metadata beside it."""
    pages = draw(st.integers(1, 3))
    said = {"images": pages, "slices": pages, "unit": "micron", "spacing": 0.5}
    for name in draw(st.lists(st.sampled_from(_IMAGEJ), max_size=4)):
        said[name] = draw(NUMBERS)
    for name in draw(st.lists(st.sampled_from(_WORDS), max_size=2)):
        said[name] = draw(st.sampled_from(["true", "composite", "\\u00B5m", "0", "1"]) | TEXTS)
    lines = "\n".join(f"{name}={value}" for name, value in said.items())
    text = f"ImageJ=1.53k\n{lines}\n".encode("utf-8", "replace").replace(b"\0", b"")
    big = draw(st.sampled_from("<>"))
    dtype = draw(st.sampled_from(["u1", "u2", "f4"]))
    tiff = Tiff([plain_page(big, description=text, dtype=dtype) for _ in range(pages)], order=big)
    if draw(st.booleans()):
        kinds = draw(
            st.lists(st.sampled_from([b"info", b"labl", b"rang", b"luts", b"roi ", b"over"]))
        )
        header = (b"IJIJ" if big == ">" else b"JIJI") + b"".join(
            (name if big == ">" else name[::-1])
            + struct.pack(big + "I", draw(st.sampled_from([0, 1, 2, 1000, 2**31])))
            for name in kinds
        )
        counts = [len(header), *(draw(st.sampled_from([0, 4, 768, 2**31])) for _ in kinds)]
        entries = tiff.pages[0].entries
        entries.append(entry(big, 50838, 4, *counts))
        entries.append(entry(big, 50839, 1, *(header + bytes(800))))
        entries.sort()
    if draw(st.integers(0, 3)) == 0:
        tiff.pages[0].entries = draw(_worse(tiff.pages[0].entries))
    return {"a.tif": tiff.write()}, None


_OTHER_WORDS = (
    '{"shape": [3, 8, 8], "axes": "ZYX"}',
    "SCANIMAGE.SI.VERSION_MAJOR=2016\nSI.hChannels.channelSave = [1;2;3]\nSI.hStackManager.x=1",
    "state.configPath='x'\nstate.acq.numberOfFrames=99999999999\nstate.acq.x=9",
    "MetaMorph\0",
    "Aperio Image Library\nv11 \r\n8x8 [0,0 8x8] (8x8)|AppMag = 20",
    "<?xml version='1.0'?><MetaData><x/></MetaData>",
    "<?xml ?><DataObject ObjectType='DPUfsImport'/>",
    "Indica <indica><image x='1'/></indica>",
    "[FLIM Group]",
    "<PerkinElmer-QPI-ImageDescription><ImageType>FullResolution</ImageType></PerkinElmer-QPI>",
    '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection/></scn>',
    "Micro-Manager _MMStack",
)


@st.composite
def others(draw: st.DrawFn) -> Drawn:
    """A file that looks as other programs' do, by their words and private tags."""
    said: Any = draw(st.sampled_from(_OTHER_WORDS))
    if said.startswith("{"):
        value = {
            "shape": [draw(NUMBERS), SIDE, SIDE],
            "axes": "ZYX",
            "truncated": draw(st.booleans()),
        }
        said = draw(as_json(draw(altered(value)))).decode("utf-8", "replace")
    name = draw(
        st.sampled_from(["a.tif", "a.stk", "a.svs", "a_MMStack.ome.tif", "a.lsm", "a.ndpi"])
    )
    pages = draw(st.integers(1, 3))
    tiff = Tiff(
        [plain_page("<", description=said.encode("utf-8", "replace")) for _ in range(pages)]
    )
    for _ in range(draw(st.integers(0, 3))):
        tag = draw(st.sampled_from((*_PRIVATE, *_MANY)))
        kind = draw(st.sampled_from([1, 2, 4, 5, 7, 12]))
        values = draw(st.binary(min_size=1, max_size=200))
        values = values[: len(values) // _BYTES[kind] * _BYTES[kind]] or bytes(_BYTES[kind])
        tiff.pages[0].entries.append((tag, kind, len(values) // _BYTES[kind], values))
    tiff.pages[0].entries.sort()
    content = tiff.write()
    if "MMStack" in name:
        # Micro-Manager's own header, behind TIFF's.
        summary = draw(as_json({"Frames": draw(NUMBERS), "Slices": draw(NUMBERS), "Prefix": "a"}))
        head = struct.pack(
            "<IIIIIIII", 54773648, 40, 483765892, 0, 99384722, 0, 2355492, len(summary)
        )
        content = content[:8] + head + summary + content[8:]
    files = {name: content, "../outside/secret": Tiff([plain_page("<")]).write()}
    if draw(st.integers(0, 4)) == 0:
        way = draw(st.sampled_from(["other.tif", *WAYS_OUT])).encode()
        axes = b'{"z": 0}'
        files["NDTiff.index"] = (
            struct.pack("<I", len(axes)) + axes + struct.pack("<I", len(way)) + way
        ) + struct.pack("<IIIIIIII", 8, 8, 8, 0, 0, 0, 0, 0)
        note = entry("<", 51123, 2, b'{"a":1}\0')
        tiff.pages[0].entries.append(note)
        head = struct.pack("<II", 483729, 3) if draw(st.booleans()) else b""
        files[name] = content[:8] + head + content[8:] if head else tiff.write()
    return files, name


def _use(folder: Path, name: str | None) -> None:
    read_all(folder / (name or "a.tif"))


KINDS = (
    Kind("TIFF directories", tiffs(), _use, (StackError,)),
    Kind("OME-XML", ome_tiffs(), _use, (StackError,)),
    Kind("ImageJ's tags", imagej(), _use, (StackError,)),
    Kind("other programs' TIFFs", others(), _use, (StackError,)),
)
