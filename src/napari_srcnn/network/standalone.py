"""SRCNN as one file for other programs: a low-res image in, the enlarged one out.

It needs torch and nothing else: packages for bioimage.io hold this file as it is. Its weights are
those of the network, and the kernels of what stands before it: bicubic enlargement, and for a
network that is told the noise the local mean of the noise's variance, each as one convolution with
a kernel for each phase of the larger grid.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mirrored(x: Tensor, reach: int) -> Tensor:
    """Continue an image beyond its border by its mirror image, whatever its size.

    Parameters
    ----------
    x : Tensor, shape (B, C, Y, X)
    reach : int
        Pixels on each side.
    """
    for axis in (2, 3):
        length = x.shape[axis]
        i = torch.arange(-reach, length + reach, device=x.device) % (2 * length)
        x = x.index_select(axis, torch.minimum(i, 2 * length - 1 - i))
    return x


class UpscalingSRCNN(nn.Module):
    """Bicubic enlargement and the three convolutions of an SRCNN.

    Parameters
    ----------
    kernels : list of three odd ints
        Sides of the kernels.
    widths : list of two ints
        Feature maps after the first and the second layer.
    channels : {1, 3}
    scale : {2, 3, 4}
    skip : bool
        Whether the convolutions' result is added to the enlarged image.
    padding : {"valid", "zeros"}
        Beyond the enlarged image's border: its border pixel, or zeros around each layer's input.
    noise : bool
        Whether the network is told the noise.
    taps : list of two ints
        Sides of the kernels of bicubic and of the local mean.
    """

    def __init__(
        self,
        kernels: list[int],
        widths: list[int],
        channels: int,
        scale: int,
        skip: bool,
        padding: str,
        noise: bool,
        taps: list[int],
    ) -> None:
        super().__init__()
        self.scale, self.skip = scale, skip
        self.reach, self.mean_reach = taps[0] // 2, taps[1] // 2
        sides = [side // 2 for side in kernels]
        zeros = padding == "zeros"
        self.halo = 0 if zeros else sum(sides)
        self.noise_halo = sides[1] + sides[2]
        first, second = widths
        phases = scale * scale
        self.bicubic = nn.Conv2d(channels, channels * phases, taps[0], groups=channels, bias=False)
        layers = ((channels, first), (first, second), (second, channels))
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(n_in, n_out, side, padding=side // 2 if zeros else 0)
            for (n_in, n_out), side in zip(layers, kernels, strict=True)
        )
        self.mean = nn.Conv2d(1, phases, taps[1], bias=False) if noise else None
        self.noise = nn.Conv2d(1, first, 1, bias=False) if noise else None

    def forward(self, low_res: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Enlarge an image.

        Parameters
        ----------
        low_res : Tensor, shape (B, C, Y, X)
        sigma : Tensor, shape (B, 1, Y, X), optional
            The noise's standard deviation at each pixel, in the image's units; zeros tell of none.
            Only a network that is told the noise takes it.

        Returns
        -------
        Tensor, shape (B, C, scale Y, scale X)
        """
        enlarged = F.pixel_shuffle(self.bicubic(mirrored(low_res, self.reach)), self.scale)
        x = self.conv1(F.pad(enlarged, [self.halo] * 4, mode="replicate"))
        if self.mean is not None and self.noise is not None:
            if sigma is None:
                raise ValueError("This network is told the noise: it needs its plane, sigma.")
            variance = self.mean(mirrored(sigma * sigma, self.mean_reach))
            spread = F.pixel_shuffle(variance, self.scale).sqrt()
            x = x + self.noise(F.pad(spread, [self.noise_halo] * 4, mode="replicate"))
        out: Tensor = self.conv3(F.relu(self.conv2(F.relu(x))))
        return out + enlarged if self.skip else out
