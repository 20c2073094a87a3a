"""A network as an ONNX graph, written node by node: opset 18, any batch and any size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.network.checkpoint import KEY, CheckpointError, model_bytes
from napari_srcnn.network.extra import needed

if TYPE_CHECKING:
    from napari_srcnn.network.standalone import UpscalingSRCNN

OPSET = 18
# The oldest that has the opset.
_IR_VERSION = 8
# Bytes of a file that is read; the largest networks of three layers that are of use are smaller.
_LARGEST = 2**26
# Whose weights a model file holds.
_LAYERS = ("conv1", "conv2", "conv3", "noise")
LOW_RES, SIGMA, HIGH_RES = "low_res", "sigma", "high_res"


class _Graph:
    """Nodes and constants, in the order in which they were asked for."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return its result's name."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        make = self._onnx.helper.make_node
        self.nodes.append(make(kind, list(inputs), [name], name=name, **attributes))
        return name

    def integers(self, *values: int) -> str:
        """Return the name of a constant: of one value a scalar, else a vector."""
        name = "of_" + "_".join(map(str, values)).replace("-", "minus")
        self.constants[name] = np.array(values if len(values) > 1 else values[0], np.int64)
        return name

    def mirrored(self, x: str, reach: int) -> str:
        """Continue an image beyond its border by its mirror image, whatever its size."""
        for axis in (2, 3):
            shape = self.add("Shape", x, start=axis, end=axis + 1)
            length = self.add("Squeeze", shape)
            stop = self.add("Add", length, self.integers(reach))
            i = self.add("Range", self.integers(-reach), stop, self.integers(1))
            twice = self.add("Add", length, length)
            i = self.add("Mod", i, twice)
            last = self.add("Sub", twice, self.integers(1))
            i = self.add("Min", i, self.add("Sub", last, i))
            x = self.add("Gather", x, i, axis=axis)
        return x

    def repeated(self, x: str, border: int) -> str:
        """Continue an image beyond its border by its border pixel."""
        if not border:
            return x
        pads = self.integers(0, 0, border, border, 0, 0, border, border)
        return self.add("Pad", x, pads, mode="edge")

    def convolution(self, x: str, name: str, layer: Any) -> str:
        """Add a layer with its weights, which keep their names."""
        inputs = [x]
        for part in ("weight", "bias"):
            if (tensor := getattr(layer, part)) is not None:
                self.constants[f"{name}.{part}"] = tensor.detach().numpy()
                inputs.append(f"{name}.{part}")
        return self.add(
            "Conv",
            *inputs,
            kernel_shape=list(layer.kernel_size),
            group=layer.groups,
            pads=list(layer.padding) * 2,
        )


def onnx_bytes(model: UpscalingSRCNN, header: str) -> bytes:
    """Return a network as an ONNX file.

    Parameters
    ----------
    model : UpscalingSRCNN
        On the CPU.
    header : str
        What a model file's header holds, kept in the file's metadata.

    Returns
    -------
    bytes
        Takes ``low_res``, float32 (B, C, Y, X), and ``sigma``, float32 (B, 1, Y, X), where the
        network is told the noise; gives ``high_res``, float32 (B, C, scale Y, scale X).

    Raises
    ------
    CheckpointError
        If the package onnx is not installed.
    """
    onnx = needed("onnx")
    graph = _Graph(onnx)
    x = graph.convolution(graph.mirrored(LOW_RES, model.reach), "bicubic", model.bicubic)
    enlarged = graph.add("DepthToSpace", x, blocksize=model.scale, mode="CRD")
    x = graph.convolution(graph.repeated(enlarged, model.halo), "conv1", model.conv1)
    if model.mean is not None and model.noise is not None:
        variance = graph.mirrored(graph.add("Mul", SIGMA, SIGMA), model.mean_reach)
        variance = graph.convolution(variance, "mean", model.mean)
        spread = graph.add("DepthToSpace", variance, blocksize=model.scale, mode="CRD")
        spread = graph.repeated(graph.add("Sqrt", spread), model.noise_halo)
        x = graph.add("Add", x, graph.convolution(spread, "noise", model.noise))
    x = graph.convolution(graph.add("Relu", x), "conv2", model.conv2)
    x = graph.convolution(graph.add("Relu", x), "conv3", model.conv3)
    x = graph.add("Add", x, enlarged) if model.skip else x
    graph.nodes[-1].output[0] = HIGH_RES

    channels, scale = model.conv1.in_channels, model.scale
    info, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    inputs = [info(LOW_RES, kind, ["batch", channels, "y", "x"])]
    if model.noise is not None:
        inputs.append(info(SIGMA, kind, ["batch", 1, "y", "x"]))
    outputs = [info(HIGH_RES, kind, ["batch", channels, f"{scale}*y", f"{scale}*x"])]
    constants = [
        onnx.numpy_helper.from_array(value, name) for name, value in graph.constants.items()
    ]
    made = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "srcnn", inputs, outputs, constants),
        producer_name="napari-srcnn",
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.helper.set_model_props(made, {KEY: header})
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))


def onnx_model(path: Path) -> bytes:
    """Return the model of an ONNX file that this package wrote, as a model file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes
        A ``.safetensors`` file; :func:`~napari_srcnn.network.checkpoint.read_header` checks it.

    Raises
    ------
    CheckpointError
        If it is damaged, too large or of another program, or if onnx is not installed.
    """
    onnx = needed("onnx")
    try:
        if path.stat().st_size > _LARGEST:
            raise CheckpointError(f"{path.name} is too large for an SRCNN.")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}.") from error
    try:
        # Not onnx.load: a file may name others, anywhere, that hold its weights.
        found = onnx.load_model_from_string(data)
    # protobuf's own class of errors.
    except Exception as error:
        raise CheckpointError(f"{path.name} is no ONNX file or is damaged.") from error
    header = next((one.value for one in found.metadata_props if one.key == KEY), None)
    if header is None:
        raise CheckpointError(
            f"{path.name} was not written by napari-srcnn; of others' ONNX files none are read."
        )
    tensors = {}
    try:
        # What is no UTF-8 comes as bytes.
        if not isinstance(header, str):
            raise ValueError("what it says of its model is no text")
        for one in found.graph.initializer:
            if str(one.name).partition(".")[0] in _LAYERS:
                if one.data_location == onnx.TensorProto.EXTERNAL:
                    raise ValueError("its weights lie in another file")
                array = onnx.numpy_helper.to_array(one)
                if array.dtype != np.float32:
                    raise ValueError("its weights are no 32-bit floats")
                tensors[one.name] = array
    except (ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path.name} is damaged: {error}; get it again.") from error
    return model_bytes(tensors, header)
