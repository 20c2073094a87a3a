"""Muon: momentum whose matrix is made orthogonal before each step.

References
----------
.. [1] K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
   https://kellerjordan.github.io/posts/muon/
.. [2] J. Liu et al., "Muon is Scalable for LLM Training", arXiv:2502.16982, 2025: the scale of a
   step that makes Adam's rates fit.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

# Of [1]_: five steps of this polynomial bring all singular values near one.
_COEFFICIENTS, _STEPS = (3.4445, -4.7750, 2.0315), 5
_MOMENTUM = 0.95
# Of [2]_: the root mean square of Adam's steps.
_STEP_SIZE = 0.2


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov's momentum, for the filters of layers with many outputs.

    torch's own takes matrices only and came late; here a layer's filters are the rows of a matrix.

    Parameters
    ----------
    parameters : iterable of Parameter
        Of two or more axes; the first is that of the filters.
    lr : float
        Of Adam's order.

    Notes
    -----
    On 9-5-5, x3, from random weights, 1,200 steps of 16 crops of 48 pixels: 31.77 dB on the images
    held out, against Adam's 31.46 (bicubic 29.80).
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                gradient = parameter.grad.flatten(1)
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(gradient)
                momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
                direction = orthogonal(gradient.lerp(momentum, _MOMENTUM))
                size = group["lr"] * _STEP_SIZE * max(direction.shape) ** 0.5
                parameter.sub_(size * direction.view(parameter.shape))


def orthogonal(matrix: Tensor) -> Tensor:
    """Return a matrix with about the same singular vectors and singular values near one.

    Parameters
    ----------
    matrix : Tensor, shape (m, n)

    Returns
    -------
    Tensor, shape (m, n)
        Newton and Schulz's iteration: singular values between about 0.7 and 1.2.
    """
    a, b, c = _COEFFICIENTS
    x: Tensor = matrix / (matrix.norm() + 1e-12)
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    for _ in range(_STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = x.T if is_tall else x
    return result
