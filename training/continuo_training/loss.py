"""Cross entropy of a large vocabulary without keeping its logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Rows of logits at a time: 512 of 49 152 in float32 are 100 MB.
CHUNK = 512


class _SummedCrossEntropy(torch.autograd.Function):
    """Computes the gradients along with the loss, chunk by chunk, so that the backward pass only hands them out."""

    @staticmethod
    def forward(ctx, hidden: Tensor, control: Tensor, words: Tensor, targets: Tensor) -> Tensor:
        matrix = torch.cat([control, words]).to(hidden.dtype)
        whole = ctx.needs_input_grad[2]
        learning = len(matrix) if whole else len(control)
        to_matrix = torch.zeros(learning, hidden.shape[1], dtype=torch.float32, device=hidden.device)
        to_hidden = torch.empty_like(hidden)
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(hidden), CHUNK):
            rows = slice(start, start + CHUNK)
            logits = F.linear(hidden[rows], matrix).float()
            log_sum = logits.logsumexp(-1, keepdim=True)
            loss += (log_sum.squeeze(-1) - logits.gather(1, targets[rows, None]).squeeze(-1)).sum()
            slope = logits.sub_(log_sum).exp_()
            slope.scatter_add_(1, targets[rows, None], torch.full_like(log_sum, -1.0))
            slope = slope.to(hidden.dtype)
            to_hidden[rows] = slope @ matrix
            to_matrix += (slope[:, :learning].t() @ hidden[rows]).float()
        ctx.save_for_backward(to_hidden, to_matrix)
        ctx.control_rows = len(control)
        ctx.whole = whole
        return loss

    @staticmethod
    def backward(ctx, slope: Tensor):
        to_hidden, to_matrix = ctx.saved_tensors
        control = to_matrix[: ctx.control_rows] * slope
        words = to_matrix[ctx.control_rows :] * slope if ctx.whole else None
        return to_hidden * slope.to(to_hidden.dtype), control, words, None


def summed_cross_entropy(hidden: Tensor, control: Tensor, words: Tensor, targets: Tensor) -> Tensor:
    """Sum of -log p over rows. hidden: (rows, width); control and words: the embedding in two parts; targets: (rows,) ids."""
    return _SummedCrossEntropy.apply(hidden, control, words, targets)
