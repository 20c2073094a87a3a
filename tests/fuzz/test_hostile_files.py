"""Files that mean harm: nothing of theirs runs, and each is refused with a sentence, soon."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import fuzzing
import numcodecs
import numpy as np
import pytest
import torch
import zarr
from fuzzing.images import Page, Tiff, entry, jpeg, plain_page, read_all
from fuzzing.models import CARD, make_state, pickled_call
from fuzzing.records import MARK, RECORD, begun
from fuzzing.stores import bomb, deflated, zip_with_bomb
from hypothesis import HealthCheck, given, settings
from networks import random_network
from safetensors.torch import save as safetensors_save

from napari_srcnn.image.stack import StackError
from napari_srcnn.io import read_stack
from napari_srcnn.io.zarr.bounded import check_zip
from napari_srcnn.models.library import list_models, model_info, usable_models
from napari_srcnn.network.checkpoint import FORMAT, KEY, CheckpointError, read_header
from napari_srcnn.network.published import read_published
from napari_srcnn.training.state import read_state
from napari_srcnn.upscaling.provenance import Provenance
from napari_srcnn.upscaling.shards.job import ShardJob
from napari_srcnn.upscaling.shards.ledger import Ledger
from napari_srcnn.words import one_line

KINDS = [kind for kind in fuzzing.KINDS if kind.name != "command lines"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_drawn_is_read_or_refused_in_a_sentence(kind: fuzzing.Kind, tmp_path: Path) -> None:
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn=kind.drawn)
    def judged(drawn: Any) -> None:
        outcome = fuzzing.judge(kind, drawn, tmp_path / "case")
        assert outcome.what != "fault", outcome.said

    judged()


# ---------------------------------------------------------------- models


def header(path: Path, text: str) -> Path:
    """Write a model file with that text for its description."""
    network = random_network(widths=(4, 2))
    path.write_bytes(safetensors_save(network.state_dict(), metadata={KEY: text}))
    return path


def described(**changes: Any) -> str:
    network = random_network(widths=(4, 2))
    return json.dumps(
        {"format": FORMAT, "config": network.config.to_dict(), "card": CARD, **changes}
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1" * 5000, id="a number of 5000 digits"),
        pytest.param(described(card={"windows": {"photograph": [0, 10**400]}}), id="a huge window"),
        pytest.param(described(config={"a": 10**400}), id="a huge parameter"),
        pytest.param("[" * 100_000, id="nested lists"),
    ],
)
def test_a_model_with_numbers_that_no_float_can_be_spoils_no_list(
    own_home: Path, text: str
) -> None:
    folder = own_home / "models"
    folder.mkdir(parents=True)
    header(folder / "bad.safetensors", text)
    with pytest.raises(CheckpointError, match=r"bad\.safetensors"):
        read_header(folder / "bad.safetensors")
    assert "bad" in list_models()
    assert "bad" not in [info.name for info in usable_models()]


def test_a_number_in_a_card_that_no_float_can_be_is_kept_as_it_is(tmp_path: Path) -> None:
    path = header(tmp_path / "m.safetensors", described(card={"seconds": 10**400}))
    card = model_info(path).card
    assert card.seconds is None
    assert card.other["seconds"] == 10**400


def test_weights_that_are_no_floats_are_refused(tmp_path: Path) -> None:
    state = random_network(widths=(4, 2)).state_dict()
    whole = {name: value.to(torch.int32) for name, value in state.items()}
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors_save(whole, metadata={KEY: described()}))
    with pytest.raises(CheckpointError, match="no 32-bit floats"):
        read_header(path)


@pytest.mark.parametrize(
    "call",
    [
        ("builtins", "bytearray", (2**33,)),
        ("torch.storage", "UntypedStorage", (2**33,)),
        ("collections", "Counter", ("aab",)),
        ("os", "system", ("exit",)),
    ],
    ids=lambda call: call[1],
)
def test_a_checkpoint_that_calls_for_more_than_tensors_is_refused(
    tmp_path: Path, call: tuple[str, str, Any]
) -> None:
    # The first two are on torch's own list of what is safe, and would take 8 GB.
    path = tmp_path / "x2.pth"
    with zipfile.ZipFile(path, "w") as store:
        store.writestr("archive/data.pkl", pickled_call(*call))
        store.writestr("archive/version", "3\n")
    for read in (read_published, read_state):
        with pytest.raises(ValueError, match=r"holds more than weights|no state"):
            read(path)


def test_tensors_larger_than_their_bytes_are_refused(tmp_path: Path) -> None:
    layers = {f"conv{n}.weight": torch.zeros(1).expand(2000, 2000, 9, 9) for n in (1, 2, 3)}
    torch.save(layers, tmp_path / "x2.pth")
    with pytest.raises(CheckpointError, match="larger tensors than its bytes"):
        read_published(tmp_path / "x2.pth")


def test_a_compressed_checkpoint_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x2.pth", "w", zipfile.ZIP_DEFLATED) as store:
        store.writestr("archive/data.pkl", bytes(10**6))
    with pytest.raises(CheckpointError, match="is compressed"):
        read_published(tmp_path / "x2.pth")


def test_a_matlab_file_that_becomes_gigabytes_is_refused(tmp_path: Path) -> None:
    packed = deflated(3 * 10**9, zlib.MAX_WBITS)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")
    (tmp_path / "x2.mat").write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(CheckpointError, match="holds more than 134 MB"):
        read_published(tmp_path / "x2.mat")


@pytest.mark.parametrize("missing", ["step", "best_weights", "identity"])
def test_a_state_that_lacks_something_is_said_to_be_none(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "a.state"
    torch.save({k: v for k, v in make_state().items() if k != missing}, path)
    with pytest.raises(ValueError, match="no state of a training run"):
        read_state(path)


# ---------------------------------------------------------------- TIFF


def refusal(path: Path) -> str:
    with pytest.raises(StackError) as refused:
        read_all(path)
    assert str(refused.value).isprintable()
    return str(refused.value)


def test_a_small_strip_that_asks_for_gigabytes_is_refused_when_it_is_opened(
    tmp_path: Path,
) -> None:
    content = zlib.compress(bytes(1000))
    changed = {256: 2**16, 257: 2**16, 259: 8, 278: 2**16, 279: len(content)}
    entries = [
        entry("<", one[0], 4, changed[one[0]]) if one[0] in changed else one
        for one in plain_page("<").entries
    ]
    path = tmp_path / "a.tif"
    path.write_bytes(Tiff([Page(entries, content)]).write())
    assert "wants 4.29 GB of memory for a piece that takes" in refusal(path)


def test_a_jpeg_that_says_to_be_far_larger_than_its_bytes_is_not_decoded(tmp_path: Path) -> None:
    content = jpeg(65500, 65500)
    changed = {259: entry("<", 259, 3, 7), 279: entry("<", 279, 4, len(content))}
    entries = [changed.get(one[0], one) for one in plain_page("<").entries]
    (tmp_path / "a.tif").write_bytes(Tiff([Page(entries, content)]).write())
    text = refusal(tmp_path / "a.tif")
    assert "a picture of" in text
    assert "wants 4.29 GB of memory" in text


def test_directories_that_lie_over_each_other_are_refused(tmp_path: Path) -> None:
    # Each directory of 1000 tags begins twelve bytes behind the last: a million tags in 25 KB.
    count, tags = 1000, 1000
    content = bytearray(b"II*\0" + struct.pack("<I", 8) + bytes(12 * (count + tags) + 64))
    for n in range(count):
        at = 8 + 12 * n
        struct.pack_into("<H", content, at, tags)
    for n in range(count):
        struct.pack_into("<I", content, 8 + 12 * n + 2 + 12 * tags, 8 + 12 * (n + 1))
    (tmp_path / "a.tif").write_bytes(bytes(content))
    assert "lie over each other" in refusal(tmp_path / "a.tif")


# ---------------------------------------------------------------- OME-XML

_OME = (
    '<?xml version="1.0"?>{}<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{}</OME>'
)


def ome(path: Path, *, dtd: str = "", sizes: str = "", data: str = "", notes: str = "") -> Path:
    """Write an OME-TIFF of one page."""
    said = 'DimensionOrder="XYZCT" SizeX="8" SizeY="8" SizeZ="1" SizeC="1" SizeT="1"'
    for size in sizes.split():
        name = size.partition("=")[0]
        said = " ".join(size if one.startswith(f"{name}=") else one for one in said.split())
    pixels = f'<Pixels Type="uint8" {said}>{data or "<TiffData/>"}</Pixels>'
    xml = _OME.format(dtd, f'<Image ID="Image:0">{pixels}</Image>{notes}')
    path.write_bytes(Tiff([plain_page("<", description=xml.encode())]).write())
    return path


def test_entities_in_ome_xml_are_refused_before_they_are_put_in(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
    dtd = f'<!DOCTYPE OME [<!ENTITY a0 "ha">{laughs}]>'
    path = ome(tmp_path / "a.ome.tif", dtd=dtd, notes="<Description>&a8;</Description>")
    assert "has a document type" in refusal(path)


@pytest.mark.parametrize("name", ["../secret.ome.tif", "/etc/passwd", "a/../../secret.ome.tif"])
def test_no_file_outside_of_the_folder_is_read_as_a_part_of_an_image(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret.ome.tif").write_bytes(Tiff([plain_page("<")]).write())
    (tmp_path / "in").mkdir()
    uuid = f'<TiffData IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:1</UUID></TiffData>'
    assert "outside of its folder" in refusal(ome(tmp_path / "in" / "a.ome.tif", data=uuid))


@pytest.mark.parametrize(
    ("sizes", "data"),
    [
        ('SizeT="1000000000"', ""),
        ('DimensionOrder="XYZ"', '<Channel SamplesPerPixel="1099511627776"/><TiffData/>'),
        ('SizeX="4294967296" SizeY="4294967296"', ""),
        ("", '<TiffData IFD="0" PlaneCount="1000000000"/>'),
        ('SizeT="4000000000"', '<TiffData IFD="0" FirstT="3999999999" PlaneCount="1"/>'),
    ],
)
def test_more_planes_than_an_image_can_have_are_refused(
    tmp_path: Path, sizes: str, data: str
) -> None:
    text = refusal(ome(tmp_path / "a.ome.tif", sizes=sizes, data=data))
    assert "more planes than an image can have" in text


def test_ome_xml_without_end_is_refused(tmp_path: Path) -> None:
    notes = "<a>" * 5000 + "</a>" * 5000
    assert "nested deeper than 200" in refusal(ome(tmp_path / "a.ome.tif", notes=notes))


# ---------------------------------------------------------------- OME-Zarr


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(8, 8), chunks=(8, 8), dtype="u2", zarr_format=2, fill_value=0)
    return path


@pytest.mark.parametrize(
    ("dtype", "coded"),
    [
        ("<u2", {"compressor": {"id": "pickle"}}),
        ("<u2", {"filters": [{"id": "pickle"}]}),
        ("|O", {"filters": [{"id": "pickle"}]}),
    ],
)
def test_a_codec_that_makes_python_objects_is_refused_and_its_code_not_run(
    store: Path, tmp_path: Path, dtype: str, coded: dict[str, Any]
) -> None:
    document = json.loads((store / ".zarray").read_text())
    (store / ".zarray").write_text(json.dumps(document | {"dtype": dtype} | coded))

    class Writes:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "written",)

    (store / "0.0").write_bytes(pickle.dumps(Writes()))
    refusal(store)
    assert not (tmp_path / "written").exists()


def test_codecs_that_are_not_known_to_be_safe_are_refused(store: Path) -> None:
    document = json.loads((store / ".zarray").read_text())
    (store / ".zarray").write_text(json.dumps(document | {"filters": [{"id": "base64"}]}))
    assert "stored with the codec 'base64', which is not read" in refusal(store)


@pytest.mark.parametrize("codec", ["gzip", "zlib", "bz2", "lzma", "zstd", "blosc", "lz4"])
def test_a_chunk_that_becomes_gigabytes_is_refused(store: Path, codec: str) -> None:
    document = json.loads((store / ".zarray").read_text())
    (store / ".zarray").write_text(json.dumps(document | {"compressor": {"id": codec}}))
    (store / "0.0").write_bytes(bomb(codec, 3 * 10**8))
    assert "becomes more than 268 MB" in refusal(store)


def test_chunks_larger_than_a_piece_are_refused(store: Path) -> None:
    document = json.loads((store / ".zarray").read_text())
    document |= {"shape": [2**60, 2**60], "chunks": [2**20, 2**20]}
    (store / ".zarray").write_text(json.dumps(document))
    assert "has chunks of 2.2 TB" in refusal(store)


def test_what_packs_small_is_still_read(store: Path) -> None:
    # 32 MB of ones in some KB are an empty image, and no bomb.
    for codec in ("gzip", "zstd", "blosc"):
        document = json.loads((store / ".zarray").read_text())
        document |= {"shape": [4096, 4096], "chunks": [4096, 4096], "compressor": {"id": codec}}
        (store / ".zarray").write_text(json.dumps(document))
        packed = numcodecs.get_codec({"id": codec}).encode(np.ones(4096 * 4096, "u2"))
        (store / "0.0").write_bytes(bytes(packed))
        with read_stack(store) as stack:
            assert stack[4095, 4095] == 1


def test_a_zip_file_whose_members_become_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr.zip"
    path.write_bytes(zip_with_bomb({".zgroup": b"{}", ".zattrs": b""}, ".zattrs", 3 * 10**9))
    with pytest.raises(StackError, match=r"holds \.zattrs, which becomes 3 GB"):
        check_zip(path)
    assert "becomes 3 GB" in refusal(path)


# ---------------------------------------------------------------- records and words


@pytest.mark.parametrize("scale", [float("inf"), 10**400, float("nan")])
def test_a_record_with_a_number_that_is_none_is_no_record(scale: float) -> None:
    record = {
        "version": "1",
        "model": "a",
        "model_sha256": "",
        "scale": 2,
        "device": "cpu",
        "window": [0, scale],
    }
    with pytest.raises(ValueError, match="no record of how an image was made"):
        Provenance.from_dict(record | {"scale": scale})


@pytest.mark.parametrize("name", ["seconds", "smoothing", "tile", "slices_done"])
def test_a_record_with_a_list_where_a_number_should_be_is_no_record(name: str) -> None:
    Provenance.from_dict(RECORD)
    with pytest.raises(ValueError, match="where a number should be"):
        Provenance.from_dict(RECORD | {name: [1.0]})


@pytest.mark.parametrize(
    "altered",
    [
        None,
        {"fixed": {"noise": None, "intensity": [[0, [1]]]}},
        {"layout": {"version": ["0.5"], "compression": None}},
    ],
    ids=["nested", "options", "layout"],
)
def test_a_damaged_record_of_a_job_is_said_to_be_damaged(
    tmp_path: Path, altered: dict[str, Any] | None
) -> None:
    text = "[" * 100_000 if altered is None else json.dumps(begun() | altered)
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(ValueError, match=r"job\.json is damaged"):
        ShardJob.load(tmp_path / "job.json")


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "0/../../x", "..\\x", "C:/x", "a\0b"])
def test_a_ledger_names_no_files_outside_of_its_store(tmp_path: Path, key: str) -> None:
    ledger = Ledger(tmp_path)
    ledger.folder.mkdir(parents=True)
    right = MARK | {"index": [0, 1], "files": [["0/c/0/1", 9, "00"]]}
    lines = [json.dumps(one) for one in (MARK | {"files": [[key, 9, "00"]]}, right)]
    (ledger.folder / "done-1.jsonl").write_text("\n".join(lines))
    assert list(ledger.marks()) == [(0, (0, 1))]


def test_what_a_file_says_of_itself_does_not_act_on_a_terminal() -> None:
    text = str(StackError("x\x1b[2J names \ud800" + "y" * 9000 + "\nwhat to do"))
    assert text.startswith("x [2J names")
    assert text.endswith("what to do")
    assert text.isprintable()
    assert len(text) <= 500
    assert one_line("as it is") == "as it is"
