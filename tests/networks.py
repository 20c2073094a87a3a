"""Networks for tests: small ones with random weights, and ones whose answer is known."""

from __future__ import annotations

from typing import Any

import torch

from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.model import SRCNN


def random_network(seed: int = 0, *, strength: float = 1.0, **settings: Any) -> SRCNN:
    """A network whose correction is a visible part (`strength` about 0.1) of what it sees."""
    config = SRCNNConfig(**{"widths": (8, 4), **settings})
    generator = torch.Generator().manual_seed(seed)
    model = SRCNN(config)
    with torch.no_grad():
        for layer in (model.conv1, model.conv2, model.conv3):
            fan_in = layer.weight[0].numel()
            layer.weight.normal_(std=(2 / fan_in) ** 0.5, generator=generator)
            layer.bias.normal_(std=0.05, generator=generator)
        model.conv3.weight *= 0.1 * strength
        if config.noise:
            model.noise.weight.normal_(std=0.3, generator=generator)
    return model.eval()


def identity_network(*, skip: bool, **settings: Any) -> SRCNN:
    """A network that returns its input, where that is not negative."""
    model = random_network(skip=skip, **settings)
    with torch.no_grad():
        if skip:
            model.conv3.weight.zero_()
            model.conv3.bias.zero_()
            return model
        for layer in (model.conv1, model.conv2, model.conv3):
            layer.weight.zero_()
            layer.bias.zero_()
            centre = layer.kernel_size[0] // 2
            for channel in range(model.config.channels):
                layer.weight[channel, channel, centre, centre] = 1
    return model


def smoothing_network(scale: int = 2) -> SRCNN:
    """A network that is told the noise, and takes off the fine detail that is no larger."""
    config = SRCNNConfig(kernels=(5, 1, 1), widths=(3, 3), scale=scale, noise=True)
    model = SRCNN(config)
    fine = torch.full((5, 5), -1 / 25)
    fine[2, 2] += 1
    with torch.no_grad():
        for layer in (model.conv1, model.conv2, model.conv3):
            layer.weight.zero_()
            layer.bias.zero_()
        # max(fine + noise, 0) - max(fine - noise, 0) - noise is `fine` within the noise.
        model.conv1.weight[:2, 0] = fine
        model.noise.weight[:] = torch.tensor([1.0, -1.0, 1.0]).reshape(3, 1, 1, 1)
        model.conv2.weight[:] = torch.eye(3)[..., None, None]
        model.conv3.weight[:] = torch.tensor([-1.0, 1.0, 1.0]).reshape(1, 3, 1, 1)
    return model.eval()
