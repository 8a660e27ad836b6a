"""Rounding in training is rounding in the file."""

from __future__ import annotations

import numpy as np
import torch
from gguf import GGMLQuantizationType, dequantize
from hypothesis import given
from hypothesis import strategies as some

from continuo_training import ggml
from continuo_training.rounding import BLOCK, q5_0, rounded

scales = some.sampled_from([0.0, 1e-6, 1e-3, 0.02, 1.0, 300.0])


@given(some.integers(0, 2**32 - 1), some.integers(1, 5), some.integers(1, 4), scales)
def test_values_are_those_of_the_quantised_file(seed: int, rows: int, blocks: int, scale: float) -> None:
    matrix = (np.random.default_rng(seed).standard_normal((rows, blocks * BLOCK)) * scale).astype(np.float32)

    kind = GGMLQuantizationType.Q5_0
    expected = dequantize(ggml.encode(matrix, kind, None), kind)

    np.testing.assert_array_equal(q5_0(torch.from_numpy(matrix)).numpy(), expected.reshape(matrix.shape))


@given(some.integers(0, 2**32 - 1))
def test_what_is_rounded_stays(seed: int) -> None:
    once = q5_0(torch.from_numpy(np.random.default_rng(seed).standard_normal((4, BLOCK)).astype(np.float32)))

    torch.testing.assert_close(q5_0(once), once, rtol=1e-3, atol=0)


def test_gradients_pass_as_if_nothing_was_rounded() -> None:
    matrix = torch.linspace(-1, 1, 2 * BLOCK).view(2, BLOCK).requires_grad_()

    (rounded(matrix) * torch.arange(2 * BLOCK).view(2, BLOCK)).sum().backward()

    torch.testing.assert_close(matrix.grad, torch.arange(2.0 * BLOCK).view(2, BLOCK))
