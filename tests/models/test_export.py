"""Models as files for other programs, and back."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import socket
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network
from PIL import Image

from napari_srcnn.models.library import bundled_dir, load_model, model_info
from napari_srcnn.models.manage import export_model, import_model, name_for
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network import extra
from napari_srcnn.network.checkpoint import CheckpointError, read_header, save_model

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
pytest.importorskip("onnx", reason="the package onnx is not installed")

# One of each kind: gray, told the noise, RGB; one of each scale.
BUNDLED = ("srcnn-9-1-5-x2", "srcnn-9-1-5-x3-noise", "srcnn-9-1-5-x4-rgb")
KINDS = (".onnx", ".bioimage.io.zip", ".safetensors")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packages")
    return {name: export_model(name, folder / f"{name}.bioimage.io.zip") for name in BUNDLED}


@pytest.fixture(params=BUNDLED)
def package(request: pytest.FixtureRequest, packages: dict[str, Path]) -> Path:
    return packages[request.param]


def files_of(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as store:
        return {name: store.read(name) for name in store.namelist()}


def description_of(package: Path) -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load(files_of(package)["rdf.yaml"])
    return described


def own(name: str, card: dict[str, Any] | None = None, **settings: Any) -> Path:
    path = user_model_dir() / f"{name}.safetensors"
    return save_model(path, random_network(**settings), card or {})


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- out and back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BUNDLED)
def test_what_is_exported_and_imported_is_the_same_file(
    name: str, kind: str, own_home: Path, tmp_path: Path
) -> None:
    file = export_model(name, tmp_path / "für die Gruppe" / f"Zellen Nr. 3{kind}")
    assert file.name == f"Zellen Nr. 3{kind}"
    info = import_model(file)
    assert info.name == "Zellen-Nr.-3"
    assert info.sha256 == model_info(name).sha256
    # A file need not be imported to be used.
    assert torch.equal(load_model(file).conv1.weight, load_model(name).conv1.weight)


def test_a_model_of_ones_own_goes_out_and_back_whatever_its_card_says(
    own_home: Path, tmp_path: Path
) -> None:
    card = {"license": "ask: me", "description": "# „Zellen“\n- a: b", "lr": 1e-20, "x": [1, None]}
    path = own("a.1", card, padding="zeros", a=-0.75, kernels=(5, 3, 3), skip=False)
    for kind in KINDS[:2]:
        file = export_model("a.1", tmp_path / f"b{kind}")
        assert import_model(file, force=True).path.read_bytes() == path.read_bytes()
    described = description_of(tmp_path / "b.bioimage.io.zip")
    assert described["name"] == "SRCNN a-1"
    # No licence that the spec knows, nor authors: only the model's owner can say.
    assert not {"license", "authors", "training_data"} & set(described)
    assert "ask: me" in files_of(tmp_path / "b.bioimage.io.zip")["README.md"].decode()


def test_the_same_model_gives_the_same_description_and_weights(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    name = BUNDLED[0]
    first, second = (
        files_of(packages[name]),
        files_of(export_model(name, tmp_path / "again.onnx.bioimage.io.zip")),
    )
    for part in ("weights.onnx", "weights.pt", "low_res.npy", "README.md"):
        assert first[part] == second[part]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.bioimage.io.zip", "a"),
        ("a.b.ONNX", "a.b"),
        ("zoo.zip", "zoo"),
        ("Zelle 1.bioimage.io.zip", "Zelle-1"),
        (".bioimage.io.zip", "bioimage.io"),
    ],
)
def test_a_files_name_becomes_a_models(file: str, name: str) -> None:
    assert name_for(Path("folder") / file) == name


# -- what a package holds -------------------------------------------------------------------------


def test_a_packages_weights_give_its_test_output_in_each_of_three_forms(package: Path) -> None:
    files, described = files_of(package), description_of(package)
    arrays = [np.load(io.BytesIO(files[f"{one['id']}.npy"])) for one in described["inputs"]]
    wanted = np.load(io.BytesIO(files["high_res.npy"]))

    def affine(values: np.ndarray, steps: list[dict[str, Any]]) -> np.ndarray:
        for step in steps:
            assert step["id"] == "scale_linear"
            values = values * step["kwargs"]["gain"] + step["kwargs"]["offset"]
        return values.astype(np.float32)

    seen = [
        affine(array, one.get("preprocessing", []))
        for array, one in zip(arrays, described["inputs"], strict=True)
    ]
    after = described["outputs"][0].get("postprocessing", [])
    for result in (
        in_torch(files, described, seen),
        in_torchscript(files, seen),
        in_onnx(files, seen),
    ):
        np.testing.assert_allclose(affine(result, after), wanted, atol=1e-5)


def in_torch(files: dict[str, bytes], described: dict[str, Any], seen: list[Any]) -> Any:
    """What the architecture's file makes of it, as a program does that has no napari-srcnn."""
    scope: dict[str, Any] = {"__name__": "srcnn"}
    exec(compile(files["srcnn.py"], "srcnn.py", "exec"), scope)
    architecture = described["weights"]["pytorch_state_dict"]["architecture"]
    network = scope[architecture["callable"]](**architecture["kwargs"])
    network.load_state_dict(torch.load(io.BytesIO(files["weights.pt"]), weights_only=True))
    with torch.inference_mode():
        return network(*map(torch.from_numpy, seen)).numpy()


def in_torchscript(files: dict[str, bytes], seen: list[Any]) -> Any:
    with pytest.warns(DeprecationWarning, match=r"torch\.jit"):
        network = torch.jit.load(io.BytesIO(files["weights-ts.pt"]))
    with torch.inference_mode():
        return network(*map(torch.from_numpy, seen)).numpy()


def in_onnx(files: dict[str, bytes], seen: list[Any]) -> Any:
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    session = runtime.InferenceSession(files["weights.onnx"], providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return session.run(None, dict(zip(names, seen, strict=True)))[0]


def test_a_package_says_whose_it_is_and_how_it_is_cited(package: Path) -> None:
    files, described = files_of(package), description_of(package)
    assert described["format_version"] == "0.5.3"
    assert described["license"] == "BSD-3-Clause"
    assert described["cite"][0]["doi"] == "10.1109/TPAMI.2015.2439281"
    assert (
        described["training_data"]["description"]
        == model_info(package.name.split(".")[0]).card["data"]
    )
    read_me = files["README.md"].decode()
    for section in ("Input and output", "Validation", "Licence", "How to cite"):
        assert f"## {section}\n" in read_me
    with Image.open(io.BytesIO(files["cover.png"])) as cover:
        assert cover.width == 2 * cover.height
    assert len(files["cover.png"]) < 500_000
    scale = model_info(package.name.split(".")[0]).config.scale
    pixels = [axis["scale"] for axis in described["inputs"][0]["axes"] if axis["type"] == "space"]
    assert pixels == [scale, scale]


def test_an_rgb_models_axes_are_red_green_and_blue(packages: dict[str, Path]) -> None:
    described = description_of(packages["srcnn-9-1-5-x4-rgb"])
    for tensor in (described["inputs"][0], described["outputs"][0]):
        channel = next(axis for axis in tensor["axes"] if axis["type"] == "channel")
        assert channel["channel_names"] == ["red", "green", "blue"]


def test_the_largest_package_is_below_a_megabyte(tmp_path: Path) -> None:
    largest = max(bundled_dir().glob("*.safetensors"), key=lambda path: path.stat().st_size)
    assert export_model(largest.stem, tmp_path / "x.bioimage.io.zip").stat().st_size < 1_000_000


@pytest.mark.filterwarnings("ignore::Warning")  # its own, as it is imported and runs
def test_bioimageio_core_takes_a_package(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("bioimageio") is None:
        pytest.skip("bioimageio.core is not installed")
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")
    if tuple(map(int, pydantic.VERSION.split(".")[:2])) >= (2, 14):
        pytest.skip("with pydantic 2.14 bioimageio.spec up to 0.5.12 writes no description")
    monkeypatch.setenv("BIOIMAGEIO_CACHE_PATH", str(tmp_path))
    core = pytest.importorskip("bioimageio.core", reason="bioimageio.core cannot be used")

    def offline(*arguments: Any) -> None:
        raise OSError("This test is to reach nothing.")

    monkeypatch.setattr(socket.socket, "connect", offline)
    summary = core.test_description(package)
    assert summary.status == "passed", summary.format()


# -- what is refused on the way out ---------------------------------------------------------------


def test_an_export_that_cannot_be_says_why(own_home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "x.bioimage.io.zip"
    assert "cannot be written" in refusal(export_model, BUNDLED[0], tmp_path / "file" / "x.onnx")
    assert "no model named 'nope'" in refusal(export_model, "nope", target)
    assert "'.zip'; models are exported as .safetensors, .onnx or .bioimage.io.zip" in refusal(
        export_model, BUNDLED[0], tmp_path / "x.zip"
    )
    target.write_bytes(b"mine")
    assert "is there already" in refusal(export_model, BUNDLED[0], target)
    assert target.read_bytes() == b"mine"
    assert export_model(BUNDLED[0], target, force=True).stat().st_size > 10_000


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_without_permission_stays_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o500)
    for kind in KINDS:
        assert "cannot be written" in refusal(export_model, BUNDLED[0], folder / f"x{kind}")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("lacks", ["onnx", "yaml"])
def test_without_the_extras_packages_a_sentence_names_it(
    lacks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packages: dict[str, Path]
) -> None:
    there = extra.importlib.import_module

    def import_module(name: str) -> Any:
        if name == lacks:
            raise ImportError(f"No module named {name!r}")
        return there(name)

    monkeypatch.setattr(extra.importlib, "import_module", import_module)
    target = tmp_path / "x.bioimage.io.zip"
    assert 'pip install "napari-srcnn[export]"' in refusal(export_model, BUNDLED[0], target)
    assert not list(tmp_path.iterdir())
    if lacks == "yaml":
        assert '"napari-srcnn[export]"' in refusal(import_model, packages[BUNDLED[0]])


# -- what is refused on the way in ----------------------------------------------------------------


def changed(package: Path, target: Path, **changes: Any) -> Path:
    """A package with other files: ``rdf`` changes the description, others replace bytes."""
    files = files_of(package)
    described = yaml.safe_load(files["rdf.yaml"])
    if change := changes.pop("rdf", None):
        change(described)
        files["rdf.yaml"] = yaml.safe_dump(described).encode()
    files |= {name.replace("__", "."): data for name, data in changes.items()}
    with zipfile.ZipFile(target, "w") as store:
        for name, data in files.items():
            if data is not None:
                store.writestr(name, data)
    return target


def set_to(*keys: str, to: Any) -> Any:
    def change(described: dict[str, Any]) -> None:
        for key in keys[:-1]:
            described = described[key]
        described[keys[-1]] = to

    return change


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a newer spec": (
        {"rdf": set_to("format_version", to="0.6.0")},
        "by spec 0.6.0, which is newer than this napari-srcnn",
    ),
    "an old spec": ({"rdf": set_to("format_version", to="0.3.6")}, "which is too old"),
    "no spec": ({"rdf": set_to("format_version", to=None)}, "does not say by which spec it is"),
    "a dataset": (
        {"rdf": set_to("type", to="dataset")},
        "is a dataset's package; a model's is needed",
    ),
    "no description": ({"rdf__yaml": None}, "holds no rdf.yaml"),
    "no YAML": ({"rdf__yaml": b"a: [b"}, "its rdf.yaml is no YAML"),
    "half a character": ({"rdf__yaml": b"\xff\xfe\x00"}, "its rdf.yaml is no YAML"),
    "a list": ({"rdf__yaml": b"[1, 2]"}, "is no model's package; a model's is needed"),
    "nested": ({"rdf__yaml": b"[" * 1500}, "its rdf.yaml is no YAML"),
    "an object of Python": (
        {"rdf__yaml": b"!!python/object/apply:os.system ['touch /tmp/ran']"},
        "its rdf.yaml is no YAML",
    ),
    "no weights": ({"weights__pt": None}, "holds no 'weights.pt'"),
    "other weights": ({"weights__pt": b"x" * 100}, "is not what its description says"),
    "TorchScript alone": (
        {"rdf": lambda told: told["weights"].pop("pytorch_state_dict")},
        "holds no pytorch_state_dict (its weights: onnx, torchscript)",
    ),
    "weights elsewhere": (
        {"rdf": set_to("weights", "pytorch_state_dict", "source", to="https://x.org/w.pt")},
        "download the package with all files",
    ),
    "weights above it": (
        {"rdf": set_to("weights", "pytorch_state_dict", "source", to="../../../etc/passwd")},
        "holds no '../../../etc/passwd'",
    ),
    "a newer model": (
        {"rdf": set_to("config", "napari_srcnn", "format", to=9)},
        "was written by a newer napari-srcnn",
    ),
    "another network": (
        {"rdf": set_to("config", "napari_srcnn", "config", "widths", to=[8, 4])},
        "holds weights of other shapes than its header says",
    ),
    "no network": (
        {"rdf": set_to("config", "napari_srcnn", to={"format": 1})},
        "describes no usable model",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_package_that_is_none_of_an_srcnn_is_refused_in_a_sentence(
    what: str, packages: dict[str, Path], own_home: Path, tmp_path: Path
) -> None:
    changes, said = REFUSED[what]
    package = changed(packages[BUNDLED[0]], tmp_path / "Zoo 1.bioimage.io.zip", **changes)
    text = refusal(import_model, package)
    assert said in text
    assert "Zoo 1.bioimage.io.zip" in text
    assert not user_model_dir().exists()


class Runs:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (os.environ["NAPARI_SRCNN_HOME"] + "-ran",)


def test_code_in_a_packages_weights_is_not_run(
    packages: dict[str, Path], own_home: Path, tmp_path: Path
) -> None:
    weights = io.BytesIO()
    torch.save({"conv1.weight": Runs()}, weights)
    package = changed(
        packages[BUNDLED[0]],
        tmp_path / "x.zip",
        rdf=lambda told: told["weights"]["pytorch_state_dict"].pop("sha256"),
        weights__pt=weights.getvalue(),
        srcnn__py=b"import os; os.mkdir(os.environ['NAPARI_SRCNN_HOME'] + '-ran')",
    )
    assert "holds more than weights" in refusal(import_model, package)
    assert not own_home.with_name(f"{own_home.name}-ran").exists()


@pytest.mark.parametrize("kind", [".onnx", ".bioimage.io.zip"])
def test_a_file_that_is_cut_short_is_refused(kind: str, own_home: Path, tmp_path: Path) -> None:
    whole = export_model(BUNDLED[0], tmp_path / f"whole{kind}").read_bytes()
    for length in (0, 20, len(whole) // 2, len(whole) - 30):
        file = tmp_path / f"cut{kind}"
        file.write_bytes(whole[:length])
        assert "cut" in refusal(import_model, file)


def test_others_onnx_files_are_refused(own_home: Path, tmp_path: Path) -> None:
    import onnx

    file = export_model(BUNDLED[0], tmp_path / "x.onnx")
    loaded = onnx.load(file)
    external = tmp_path / "external.onnx"
    onnx.save_model(
        loaded, external, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert "weights lie in another file" in refusal(import_model, external)
    # protobuf hands what is no UTF-8 as bytes.
    file.write_bytes(file.read_bytes().replace(b'{"card', b'{"c\xffrd', 1))
    assert "what it says of its model is no text" in refusal(import_model, file)
    del loaded.metadata_props[:]
    file.write_bytes(loaded.SerializeToString())
    assert "was not written by napari-srcnn" in refusal(import_model, file)


def test_an_import_does_not_replace_a_model_that_is_there(
    packages: dict[str, Path], own_home: Path
) -> None:
    before = own("srcnn-mine").read_bytes()
    path = packages[BUNDLED[0]]
    assert "You have a model named 'srcnn-mine' already" in refusal(
        import_model, path, "srcnn-mine"
    )
    assert (user_model_dir() / "srcnn-mine.safetensors").read_bytes() == before


def test_the_header_of_a_model_is_what_a_package_keeps(package: Path) -> None:
    config, card = read_header(bundled_dir() / f"{package.name.split('.')[0]}.safetensors")
    kept = description_of(package)["config"]["napari_srcnn"]
    assert kept == json.loads(json.dumps({"format": 1, "config": config.to_dict(), "card": card}))
