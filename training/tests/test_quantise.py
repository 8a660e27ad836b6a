"""How matrices become blocks, and what decides which error they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import dequantize
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_base import random_weights, shapes, write_tiny_base

from continuo_training import ggml
from continuo_training.importance import column_importance
from continuo_training.model import Llama
from continuo_training.quantise import FILE_TYPES, RECIPES


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from([Kind.F16, Kind.Q8_0, Kind.Q5_1, Kind.Q5_0, Kind.Q4_1, Kind.Q4_0, Kind.IQ4_NL]),
    rows=st.integers(1, 3),
    blocks=st.integers(1, 3),
    scale=st.sampled_from([1e-3, 1.0, 30.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_value_moves_by_more_than_a_step_of_its_block(kind: Kind, rows: int, blocks: int, scale: float, seed: int) -> None:
    matrix = (np.random.default_rng(seed).normal(0, scale, (rows, 32 * blocks))).astype(np.float32)

    back = dequantize(ggml.encode(matrix, kind), kind)

    steps = {Kind.F16: 1000, Kind.Q8_0: 120, Kind.Q5_1: 15, Kind.Q5_0: 15, Kind.Q4_1: 7, Kind.Q4_0: 7, Kind.IQ4_NL: 5}[kind]
    largest = np.abs(matrix).reshape(rows, blocks, 32).max(-1, keepdims=True)
    assert (np.abs(back - matrix).reshape(rows, blocks, 32) <= largest / steps).all()


@pytest.mark.parametrize("kind", [Kind.Q5_0, Kind.Q4_0, Kind.IQ4_NL, Kind.Q4_K])
def test_columns_that_matter_are_rounded_better(kind: Kind) -> None:
    matrix = np.random.default_rng(5).normal(0, 1, (64, 256)).astype(np.float32)
    importance = np.where(np.arange(256) % 8 == 0, 1000, 1).astype(np.float32)

    def error(weights: np.ndarray | None) -> float:
        back = dequantize(ggml.encode(matrix, kind, weights), kind)
        return float(np.square(back - matrix)[:, ::8].mean())

    assert error(importance) < 0.7 * error(None)


def test_rows_that_do_not_fill_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 96 values cannot be Q4_K"):
        ggml.encode(np.ones((2, 96), dtype=np.float32), Kind.Q4_K)


def test_the_importance_of_a_column_is_the_mean_square_of_its_input(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base.gguf")
    model = Llama(base.shape, control_tokens=17, train_embeddings=False)
    weights = {name: torch.from_numpy(weight) for name, weight in random_weights(4).items()}
    model.load(weights)
    sequences = [[1, 30, 31, 32], [8, 40, 41]]

    found = column_importance(model, sequences)

    assert found.keys() == {name for name, shape in shapes().items() if len(shape) == 2}
    assert all(found[name].shape == (shapes()[name][1],) for name in found)
    # The first layer's input, without the code under test: normalised rows of the embedding.
    rows = weights["token_embd.weight"][[token for ids in sequences for token in ids]]
    normed = rows / (rows.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weights["blk.0.attn_norm.weight"]
    for name in ("attn_q", "attn_k", "attn_v"):
        assert found[f"blk.0.{name}.weight"] == pytest.approx(normed.square().mean(0).numpy(), rel=1e-4)


def test_every_recipe_names_types_that_a_file_can_say() -> None:
    for recipe in RECIPES.values():
        assert recipe.rest in FILE_TYPES
        for columns in (576, 1536):
            ggml.encode(np.zeros((1, columns), dtype=np.float32), recipe.kind("blk.0.ffn_down.weight", (1, columns)))
