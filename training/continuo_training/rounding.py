"""Rounding as quantising does it, so that training sees the weights that will be shipped.

On its way back a gradient passes through as if nothing had been rounded (straight-through estimator, arXiv:1308.3432).
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Weights of a block of ggml's Q5_0, which share one scale.
BLOCK = 32

#: Steps of Q5_0 to either side of zero; the side of a block's largest weight reaches one further.
STEPS = 16


def rounded(matrix: Tensor) -> Tensor:
    """(rows, columns), columns in whole blocks, to the values that Q5_0 can hold; with the gradient of the matrix itself."""
    return matrix + (q5_0(matrix.detach()) - matrix.detach())


def q5_0(matrix: Tensor) -> Tensor:
    """What ggml's `quantize_row_q5_0_ref` keeps of float32 values: five bits each, and a float16 scale for every block."""
    blocks = matrix.reshape(-1, BLOCK)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = largest / -STEPS
    inverse = torch.where(scale == 0, torch.zeros_like(scale), 1 / scale)
    steps = (blocks * inverse + (STEPS + 0.5)).to(torch.int8).clamp(max=2 * STEPS - 1)
    return ((steps.float() - STEPS) * scale.half().float()).view_as(matrix)
