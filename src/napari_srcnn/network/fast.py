"""The network's exact fast form, for inference and for training on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.image.rect import Padding
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.linear import is_right
from napari_srcnn.network.minimal import POINTS, MinimalLayer
from napari_srcnn.network.model import SRCNN, _bias, _centre

# ---------------------------------------------------------------- the fast form, for inference

# Output pixels a side that one step of the blocked last layer computes.
BLOCK = 4
# Minimal filtering adds and subtracts rows that lie further apart than its filter reaches: what is
# lost to rounding beside a very large value (a hot pixel, a marker for "no data") is lost there as
# well. In the network's units, where images lie within 0..1; the plain convolution takes the rest.
_LARGEST = 4.0


def fast_correction(
    model: SRCNN, device: torch.device, dtype: torch.dtype = torch.float32
) -> Callable[[Tensor, Padding], Tensor]:
    """Return a function equal to ``model.correction`` that is several times faster on a CPU.

    Parameters
    ----------
    model : SRCNN
        Its weights are copied and rearranged; it is not changed.
    device : torch.device
        Where the function works.
    dtype : torch.dtype
        float32, or a half precision on request; input and output stay float32.

    Returns
    -------
    callable (enlarged, padding) -> correction
        Shapes as in :meth:`SRCNN.correction`.

    Notes
    -----
    Rearrangements, each measured against the plain form, and exact but for the last:

    * The first layer has one input channel, which convolution code is bad at. The rows under its
      filter become channels: nine of them, and a filter that is one row high.
    * The last layer has one output channel, which convolution code is as bad at. As a convolution
      of stride 4 with 16 outputs (the same filter at 16 offsets, zeros elsewhere) and a pixel
      shuffle it does more arithmetic in a fraction of the time.
    * A layer and its ReLU are one pass through memory, where torch has oneDNN.
    * A middle layer of 5 x 5 takes two fifths of the products by minimal filtering
      (:mod:`~napari_srcnn.network.minimal`), which loses 3e-6 of its largest value to rounding.
    """
    if model.config.padding == "zeros" or device.type != "cpu":
        # On a GPU cuDNN and MPS have fast kernels for these layers already.
        return _place(model, device, dtype)
    tensors = [tensor.detach().to(device, dtype) for tensor in _arranged(model)]
    convolve_relu = _fused(*tensors[:2]) or _unfused
    config, halo = model.config, model.config.halo
    middle = None
    if config.kernels[1] in POINTS and dtype == torch.float32:
        middle = MinimalLayer(*tensors[2:4])

    def correction(enlarged: Tensor, padding: Padding) -> Tensor:
        height, width = (n - 2 * halo for n in enlarged.shape[-2:])
        # The blocks have to come out even; what is computed beyond is cut off again.
        extra_y, extra_x = -height % BLOCK, -width % BLOCK
        x = F.pad(enlarged, (0, extra_x, 0, extra_y)) if extra_y or extra_x else enlarged
        minimal = middle
        if minimal is not None and float(x.abs().max()) > _LARGEST:
            minimal = None
        out = _in_blocks(x.to(dtype), tensors, config, convolve_relu, minimal).float()
        out = out[..., :height, :width]
        return out if config.skip else out - _centre(enlarged, config)

    return correction


def _place(
    model: SRCNN, device: torch.device, dtype: torch.dtype
) -> Callable[[Tensor, Padding], Tensor]:
    placed = SRCNN(model.config).to(device, dtype)
    placed.load_state_dict(model.state_dict())
    placed.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def correction(enlarged: Tensor, padding: Padding) -> Tensor:
        x = enlarged.to(dtype, memory_format=torch.channels_last)
        out = placed._convolutions(x, padding).float()
        return out if model.config.skip else out - _centre(enlarged, model.config)

    return correction


_ConvolveRelu = Callable[[Tensor, Tensor, Tensor], Tensor]


def _arranged(model: SRCNN) -> list[Tensor]:
    """Return each layer's weight and bias for :func:`_in_blocks`; gradients pass through."""
    first, middle = model.conv1, model.conv2
    # The rows of a filter are channels of one that is one row high.
    rows = first.weight.flatten(1, 2)[:, :, None]
    if model.config.noise:
        half = model.config.kernels[0] // 2
        rows = torch.cat([rows, F.pad(model.noise.weight, (half, half))], 1)
    ordered = (
        weight.contiguous(memory_format=torch.channels_last) for weight in (rows, middle.weight)
    )
    biases = _bias(first), _bias(middle)
    hidden = [tensor for layer in zip(ordered, biases, strict=True) for tensor in layer]
    return [*hidden, *arranged_last(model)]


def _in_blocks(
    x: Tensor,
    tensors: list[Tensor],
    config: SRCNNConfig,
    convolve_relu: _ConvolveRelu,
    middle: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """All layers in channels_last order; the first on rows as channels, the last in blocks.

    `middle` stands for the second layer and its ReLU, where that is computed in another way.
    """
    w1, b1, w2, b2, w3, b3 = tensors
    rows, image = config.kernels[0], x[:, : config.channels]
    # (B, C, H, W) to (B, H - rows + 1, W, C * rows), which is free of copies but one.
    unrolled = image.unfold(2, rows, 1).permute(0, 2, 3, 1, 4).flatten(3)
    if config.noise:
        half = rows // 2
        sigma = x[:, 1, half : x.shape[2] - half, :, None]
        unrolled = torch.cat([unrolled, sigma], 3)
    x = convolve_relu(unrolled.permute(0, 3, 1, 2), w1, b1)
    x = convolve_relu(x, w2, b2) if middle is None else middle(x)
    return F.pixel_shuffle(F.conv2d(x, w3, b3, stride=BLOCK), BLOCK)


def _block_weight(weight: Tensor) -> Tensor:
    """Return the last layer's filters at each offset of a block, as pixel_shuffle wants them."""
    free = BLOCK - 1
    offsets = [
        F.pad(weight, (j, free - j, i, free - i)) for i in range(BLOCK) for j in range(BLOCK)
    ]
    return torch.stack(offsets, 1).flatten(0, 1)


def arranged_last(model: SRCNN) -> tuple[Tensor, Tensor]:
    """Return the last layer's weight and bias as a convolution of stride `BLOCK`.

    Gradients pass through.

    Returns
    -------
    weight : Tensor, shape (`BLOCK`² C, features, k + `BLOCK` - 1, k + `BLOCK` - 1)
    bias : Tensor, shape (`BLOCK`² C,)
        For :func:`torch.nn.functional.pixel_shuffle`.
    """
    weight = _block_weight(model.conv3.weight).contiguous(memory_format=torch.channels_last)
    bias = _bias(model.conv3).repeat_interleave(BLOCK * BLOCK)
    return weight, bias


def fast_forward(model: SRCNN, enlarged: Tensor) -> Tensor:
    """Return ``model(enlarged)``, rearranged as :func:`fast_correction` is, with gradients.

    Parameters
    ----------
    model : SRCNN
        With valid convolutions.
    enlarged : Tensor, shape (B, C, H + 2 halo, W + 2 halo)
        On a CPU; H and W multiples of 4.

    Returns
    -------
    Tensor, shape (B, C, H, W)
    """
    out = _in_blocks(enlarged, _arranged(model), model.config, _unfused)
    return out + _centre(enlarged, model.config) if model.config.skip else out


def _unfused(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, weight, bias).relu_()


def _fused(weight: Tensor, bias: Tensor) -> _ConvolveRelu | None:
    """Return oneDNN's convolution with a ReLU, or None where torch has none or it does not hold.

    torch makes it for its own compiler and promises nothing about it, so it is tried first.
    """

    def fused(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, (0, 0), (1, 1), (1, 1), 1, "relu", [], ""
        )
        return out

    generator = torch.Generator().manual_seed(0)
    shape = (1, weight.shape[1], 8, weight.shape[3] + 7)
    x = torch.randn(shape, generator=generator).to(weight)
    x = x.contiguous(memory_format=torch.channels_last)
    expected = _unfused(x, weight, bias)
    try:
        found = fused(x, weight, bias)
    except (AttributeError, RuntimeError, TypeError):
        return None
    steps = 100 if weight.dtype == torch.float32 else 4
    return fused if is_right(found, expected, steps) else None
