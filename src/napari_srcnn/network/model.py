"""The network: three convolutions on a bicubically enlarged image, and their exact fast form."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from napari_srcnn.image.rect import Padding
from napari_srcnn.network.config import SRCNNConfig


class SRCNN(nn.Module):
    """Patch extraction, non-linear mapping, reconstruction.

    Parameters
    ----------
    config : SRCNNConfig

    Notes
    -----
    The convolutions are valid: the input is larger than the output by ``config.halo`` pixels on
    each side. A network that is told the noise takes two planes: the enlarged image, and the
    noise's standard deviation there, which weighs in each feature of layer 1 like a bias of its
    own (a filter of 1 x 1: it changes slowly, and nine rows of it would cost as much as the
    image's). With ``padding="zeros"`` each layer's input is set to zero beyond the image's true
    border, which is what zero padding of a whole image means for a tile of it.
    """

    def __init__(self, config: SRCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(n_in, n_out, k) for n_in, n_out, k in config.layers
        )
        if config.noise:
            self.noise = nn.Conv2d(1, config.widths[0], 1, bias=False)
            # Near zero: the network starts as one that is told nothing.
            nn.init.normal_(self.noise.weight, std=1e-3)
        for layer in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        # A small last layer: a skip network then starts at bicubic.
        nn.init.normal_(self.conv3.weight, std=1e-3)
        for layer in (self.conv1, self.conv2, self.conv3):
            nn.init.zeros_(_bias(layer))

    def forward(self, enlarged: Tensor, padding: Padding | None = None) -> Tensor:
        """Enhance an enlarged image.

        Parameters
        ----------
        enlarged : Tensor, shape (B, ``config.planes``, H + 2 halo, W + 2 halo)
            The image, enlarged by bicubic, with its halo; then the noise's plane, if it takes one.
        padding : Padding, optional
            How much of the halo lies beyond the true border (matters to zero padding only).

        Returns
        -------
        Tensor, shape (B, C, H, W)
        """
        out: Tensor = self._convolutions(enlarged, padding)
        return out + _centre(enlarged, self.config) if self.config.skip else out

    def correction(self, enlarged: Tensor, padding: Padding | None = None) -> Tensor:
        """Return what the network adds to the enlarged image: ``forward(x) - centre(x)``."""
        out = self._convolutions(enlarged, padding)
        return out if self.config.skip else out - _centre(enlarged, self.config)

    def _convolutions(self, x: Tensor, padding: Padding | None) -> Tensor:
        if self.config.padding == "zeros" and padding:
            return self._zero_padded(x, padding)
        if self.config.noise:
            sigma = _crop(x[:, 1:], self.config.kernels[0] // 2)
            x = self.conv1(x[:, :1]) + self.noise(sigma)
        else:
            x = self.conv1(x)
        x = F.relu(x, inplace=True)
        x = F.relu(self.conv2(x), inplace=True)
        out: Tensor = self.conv3(x)
        return out

    def _zero_padded(self, x: Tensor, padding: Padding) -> Tensor:
        """Convolve with each layer's input zero beyond the true border."""
        top, bottom, left, right = padding.top, padding.bottom, padding.left, padding.right
        for layer in (self.conv1, self.conv2, self.conv3):
            x = x.clone()
            _blank(x, top, bottom, left, right)
            x = layer(x)
            if layer is not self.conv3:
                x = F.relu(x, inplace=True)
            eaten = (layer.kernel_size[0] - 1) // 2
            top, bottom, left, right = (max(n - eaten, 0) for n in (top, bottom, left, right))
        return x


def _bias(layer: nn.Conv2d) -> Tensor:
    """Return a layer's bias, which torch types as optional."""
    return cast("Tensor", layer.bias)


def _blank(x: Tensor, top: int, bottom: int, left: int, right: int) -> None:
    """Set the margins of an image to zero in place."""
    height, width = x.shape[-2:]
    x[..., :top, :] = 0
    x[..., height - bottom :, :] = 0
    x[..., :, :left] = 0
    x[..., :, width - right :] = 0


def _centre(enlarged: Tensor, config: SRCNNConfig) -> Tensor:
    """Return the enlarged image without its halo and without the noise's plane."""
    return _crop(enlarged[:, : config.channels], config.halo)


def _crop(x: Tensor, border: int) -> Tensor:
    return x[..., border : x.shape[-2] - border, border : x.shape[-1] - border]
