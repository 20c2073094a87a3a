"""Published SRCNN checkpoints: the authors' MATLAB files and the layouts that PyTorch code uses.

Shapes tell kernel sizes, widths and channels. What a file cannot tell (the scale, the bicubic
kernel in front, what lies beyond the border, the order of the colours, the range of the values) is
taken from its layout, said, and can be overridden. No file's code is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.network.checkpoint import SUFFIX, CheckpointError
from napari_srcnn.network.config import WINDOWS, SRCNNConfig

if TYPE_CHECKING:
    from napari_srcnn.network.model import SRCNN

Array = NDArray[np.float64]
Order = Literal["rgb", "bgr"]

_SCALE = re.compile(r"(?:^|[^a-z0-9])x([234])(?![0-9])|(?:^|[^a-z0-9])([234])x(?![a-z0-9])", re.I)
_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net", "generator")
_DEPTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What weights are called somewhere, and what that says of the network around them.

    Attributes
    ----------
    name : str
        For its user.
    first : str
        A pattern of the first layer's name.
    padding : {"valid", "zeros"}
    a : float
        Of the bicubic enlargement.
    """

    name: str
    first: str
    padding: Literal["valid", "zeros"]
    a: float


# The first that fits. What the code that such files come from does is what its layout says: the
# PyTorch ones pad each layer with zeros, but those with a patch_extraction, which are valid; mmagic
# enlarges in the network, by torch's bicubic.
LAYOUTS = (
    Layout(name="mmagic's SRCNN", first=r"generator\.conv1", padding="zeros", a=-0.75),
    Layout(name="conv1, conv2, conv3", first=r"conv1(\.0)?", padding="zeros", a=-0.5),
    Layout(name="features, map, reconstruction", first=r"features(\.0)?", padding="zeros", a=-0.5),
    Layout(name="patch_extraction, …", first=r"patch_extraction(\.0)?", padding="valid", a=-0.5),
    Layout(name="an unnamed sequence", first=r"([a-z_]+\.)?\d+", padding="zeros", a=-0.5),
)
AUTHORS = Layout(name="the authors' MATLAB file", first="", padding="valid", a=-0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published network, read.

    Attributes
    ----------
    config : SRCNNConfig
    tensors : dict of str to ndarray
        float64 (``.mat``) or float32 weights and biases by this project's names.
    layout : str
    assumed : tuple of str
        What the file does not say and its layout or its user does, each a short clause.
    """

    config: SRCNNConfig
    tensors: dict[str, NDArray[Any]]
    layout: str
    assumed: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What was found and what was assumed, for its user."""
        config = self.config
        colors = "RGB" if config.channels == 3 else "Y"
        widths = "-".join(map(str, config.widths))
        return (
            f"Layout: {self.layout}; found: {config.kernel_name}, widths {widths}, {colors}; "
            f"assumed: {', '.join(self.assumed)}."
        )

    def card(self, path: Path) -> dict[str, Any]:
        """Return a model card that says where the weights come from."""
        return {
            "description": f"Published weights, {path.name}",
            "license": "that of the published file",
            "source": path.name,
            "layout": self.layout,
            "assumed": list(self.assumed),
            "windows": {kind: list(pair) for kind, pair in WINDOWS.items()},
        }

    def model(self) -> SRCNN:
        """Return the network, in float32, in evaluation mode."""
        import torch

        from napari_srcnn.network.model import SRCNN

        model = SRCNN(self.config)
        model.load_state_dict(
            {k: torch.from_numpy(v.astype(np.float32)) for k, v in self.tensors.items()}
        )
        return model.eval()


def read_published(
    path: str | Path,
    *,
    scale: int | None = None,
    padding: Literal["valid", "zeros"] | None = None,
    a: float | None = None,
    skip: bool = False,
    order: Order = "rgb",
    value_range: float = 1.0,
) -> Published:
    """Read a published checkpoint.

    Parameters
    ----------
    path : path-like
        ``.mat`` of the authors; ``.pt``, ``.pth``, ``.ckpt``, ``.bin``, ``.safetensors`` of torch.
    scale : {2, 3, 4}, optional
        By default what the file's name says, as x3.
    padding : {"valid", "zeros"}, optional
        What lies beyond the border; by default what the layout's code does.
    a : float, optional
        Of the bicubic enlargement in front: -0.5 (MATLAB, Pillow) or -0.75 (torch, OpenCV).
    skip : bool
        Whether the network's output is added to the enlarged image.
    order : {"rgb", "bgr"}
        Of the colours that the network was trained on; it becomes RGB.
    value_range : float
        What white was in training: 1, or 255. It becomes 1.

    Returns
    -------
    Published

    Raises
    ------
    CheckpointError
        If it is missing, damaged, holds code or anything but three convolutions, or if its scale is
        said nowhere.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no model file {path}; check its name.")
    if path.suffix.lower() == ".mat":
        layout, layers = AUTHORS, _from_matlab(path)
    else:
        layout, layers = _from_torch(path)
    kernels, widths, channels = _check_layers(path, layers)
    found = name_scale(path.stem)
    if scale is None and found is None:
        raise CheckpointError(
            f"{path.name} does not say its scale; give it (--scale, or a name as srcnn_x3)."
        )
    padding = layout.padding if padding is None else padding
    a = layout.a if a is None else a
    try:
        config = SRCNNConfig(
            kernels=kernels,
            widths=widths,
            channels=channels,
            skip=skip,
            padding=padding,
            a=a,
            scale=found or 0 if scale is None else scale,
        )
    except ValueError as error:
        raise CheckpointError(f"{path.name} holds no network for this: {error}") from error
    if order == "bgr" and channels == 3:
        (w1, b1), middle, (w3, b3) = layers
        layers = [(w1[:, ::-1], b1), middle, (w3[::-1], b3[::-1])]
    if value_range != 1:
        # The same network for values of 0..1: layer 1 sees them larger, layer 3 makes them smaller.
        (w1, b1), middle, (w3, b3) = layers
        layers = [(w1 * value_range, b1), middle, (w3 / value_range, b3 / value_range)]
    tensors = {}
    for number, (weight, bias) in enumerate(layers, start=1):
        tensors[f"conv{number}.weight"] = np.ascontiguousarray(weight)
        tensors[f"conv{number}.bias"] = np.ascontiguousarray(bias)
    return Published(
        config=config,
        tensors=tensors,
        layout=layout.name,
        assumed=_assumed(config, order, value_range, in_name=scale is None),
    )


def name_scale(name: str) -> int | None:
    """Return the scale that a name says, as x3 or 3x; None where it says none."""
    said = _SCALE.search(name)
    return int(said.group(1) or said.group(2)) if said else None


def _assumed(
    config: SRCNNConfig, order: Order, value_range: float, *, in_name: bool
) -> tuple[str, ...]:
    beyond = "zeros around every layer" if config.padding == "zeros" else "the border repeated"
    parts = [
        f"×{config.scale}" + (" (from its name)" if in_name else ""),
        f"bicubic with a = {config.a:g}",
        beyond,
        f"values of 0..{value_range:g}",
        "the output added to the enlarged image" if config.skip else "the output is the image",
    ]
    return (*parts, order.upper()) if config.channels == 3 else tuple(parts)


def _from_matlab(path: Path) -> list[tuple[Array, Array]]:
    """Read the authors' file: filters stored column by column, applied by correlation.

    weights_conv1 is (k1², n1), weights_conv2 (n1, k2², n2), weights_conv3 (n2, k3²).
    """
    from scipy.io import loadmat, whosmat

    from napari_srcnn.network.matlab import check_size

    names = [f"{kind}_conv{n}" for n in (1, 2, 3) for kind in ("weights", "biases")]
    check_size(path)
    try:
        kinds = {name: kind for name, _, kind in whosmat(path) if name in names}
        if others := sorted(set(kinds.values()) - {"double", "single"}):
            raise CheckpointError(
                f"{path.name} holds weights of the class {others[0]}, where numbers are needed."
            )
        # Only these are read: a MATLAB file may hold anything.
        values = loadmat(path, variable_names=names)
    except CheckpointError:
        raise
    # Of damaged files scipy and zlib raise errors of any class.
    except Exception as error:
        raise CheckpointError(f"{path.name} cannot be read as a MATLAB file: {error}.") from error
    if missing := [name for name in names if name not in values]:
        raise CheckpointError(
            f"{path.name} is a MATLAB file without {', '.join(missing)}; "
            "the authors' SRCNN files hold weights_conv1 to biases_conv3."
        )
    try:
        arrays = {name: np.asarray(values[name], dtype=np.float64) for name in names}
        first, last = arrays["weights_conv1"], arrays["weights_conv3"]
        middle = arrays["weights_conv2"]
        weights = [
            np.stack([_square(column) for column in first.T])[:, None],
            np.stack(
                [np.stack([_square(f) for f in middle[:, :, n]]) for n in range(middle.shape[2])]
            ),
            np.stack([_square(row) for row in np.atleast_2d(last)])[None],
        ]
    except (ValueError, IndexError, TypeError) as error:
        raise CheckpointError(
            f"{path.name} holds weights of other shapes than the authors' SRCNN files: {error}."
        ) from error
    return [(w, arrays[f"biases_conv{n}"].ravel()) for n, w in enumerate(weights, start=1)]


def _square(taps: Array) -> Array:
    side = round(taps.size**0.5)
    return taps.reshape(side, side, order="F")


def _from_torch(path: Path) -> tuple[Layout, list[tuple[Array, Array]]]:
    """Read the three convolutions of a PyTorch file, whatever they are wrapped in."""
    import torch

    state = _state(path)
    tensors = {
        name.removeprefix("module."): value.detach().float().numpy()
        for name, value in state.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    weights = {n.removesuffix(".weight"): v for n, v in tensors.items() if n.endswith(".weight")}
    convolutions = {name: value for name, value in weights.items() if value.ndim == 4}
    others = sorted(set(weights) - set(convolutions))
    if len(convolutions) != 3 or others:
        listed = ", ".join([*convolutions, *others][:6]) or "none"
        raise CheckpointError(
            f"{path.name} is no SRCNN: it has {len(weights)} layers with weights ({listed}), "
            "where three convolutions are needed."
        )
    names = list(convolutions)
    for layout in LAYOUTS:
        if re.fullmatch(layout.first, names[0]):
            break
    else:
        raise CheckpointError(
            f"{path.name} has layers named {', '.join(names)}, which no known layout has; rename "
            "them to conv1, conv2, conv3."
        )
    layers = []
    for name in names:
        weight = convolutions[name]
        bias = tensors.get(f"{name}.bias", np.zeros(len(weight), np.float32))
        layers.append((weight, bias))
    return layout, layers


def _state(path: Path) -> Mapping[str, Any]:
    """Return the dictionary that holds the convolutions, nothing of the file being executed."""
    import torch

    from napari_srcnn.network.weights_only import load_weights_only

    if path.suffix.lower() == SUFFIX:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        # Of damaged headers it raises errors of other classes as well.
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path.name} is damaged or cut short: {error}.") from error
    content = load_weights_only(path)
    for state in _dictionaries(content, _DEPTH):
        if sum(isinstance(v, torch.Tensor) and v.ndim == 4 for v in state.values()) >= 3:
            return state
    raise CheckpointError(
        f"{path.name} holds no convolutions; a state_dict with three of them is needed."
    )


def _dictionaries(content: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield a dictionary and those within it, the usual wrappers first."""
    if not isinstance(content, Mapping) or depth == 0:
        return
    if all(isinstance(key, str) for key in content):
        yield content
        keys = sorted(content, key=lambda k: _WRAPPERS.index(k) if k in _WRAPPERS else 99)
        for key in keys:
            yield from _dictionaries(content[key], depth - 1)


def _check_layers(
    path: Path, layers: list[tuple[Array, Array]]
) -> tuple[tuple[int, int, int], tuple[int, int], int]:
    """Return kernels, widths and channels if the layers follow each other as an SRCNN's do."""
    shapes = [weight.shape for weight, _ in layers]
    fits = (
        all(s[2] == s[3] for s in shapes)
        and all(bias.shape == (len(weight),) for weight, bias in layers)
        and shapes[0][0] == shapes[1][1]
        and shapes[1][0] == shapes[2][1]
        and shapes[2][0] == shapes[0][1]
    )
    if not fits:
        raise CheckpointError(
            f"{path.name} is no SRCNN: its convolutions have the shapes "
            f"{', '.join(map(str, shapes))}, which do not follow each other."
        )
    if not all(np.isfinite(array).all() for layer in layers for array in layer):
        raise CheckpointError(f"{path.name} holds weights that are not finite; get it again.")
    k1, k2, k3 = (int(s[2]) for s in shapes)
    return (k1, k2, k3), (int(shapes[0][0]), int(shapes[1][0])), int(shapes[0][1])
