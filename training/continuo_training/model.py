"""The llama architecture for training: weights in GGUF's own names and row order, products in bfloat16, sums in float32."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Shape
from .rounding import q5_0, rounded

#: Weights that one product serves, by the name that training knows them under; split again by `Llama.export`.
FUSED = {
    "attn_qkv": ("attn_q", "attn_k", "attn_v"),
    "ffn_gate_up": ("ffn_gate", "ffn_up"),
}
ATTENTION = ("attn_qkv", "attn_output")
MATRICES = ("attn_qkv", "attn_output", "ffn_gate_up", "ffn_down")
NORMS = ("attn_norm", "ffn_norm")

Part = TypeVar("Part", bound=Callable)


class Llama(nn.Module):
    """Embedding and head are one matrix. Its first rows, the control tokens, always learn; the others only if asked to."""

    def __init__(self, shape: Shape, control_tokens: int, train_embeddings: bool) -> None:
        super().__init__()
        self.shape = shape
        self.control = nn.Parameter(torch.empty(control_tokens, shape.width))
        self.words = nn.Parameter(torch.empty(shape.vocabulary - control_tokens, shape.width), requires_grad=train_embeddings)
        rows = {
            "attn_qkv": (shape.width + 2 * shape.kv_heads * shape.head_width, shape.width),
            "attn_output": (shape.width, shape.width),
            "ffn_gate_up": (2 * shape.ffn, shape.width),
            "ffn_down": (shape.width, shape.ffn),
        }
        self.blocks = nn.ModuleList(
            nn.ParameterDict(
                {name: nn.Parameter(torch.empty(rows[name])) for name in MATRICES}
                | {name: nn.Parameter(torch.empty(shape.width)) for name in NORMS}
            )
            for _ in range(shape.layers)
        )
        self.output_norm = nn.Parameter(torch.empty(shape.width))
        self._is_rounded = False
        self._turns: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Takes tensors by GGUF name."""
        embedding = weights["token_embd.weight"]
        self.control.copy_(embedding[: len(self.control)])
        self.words.copy_(embedding[len(self.control) :])
        self.output_norm.copy_(weights["output_norm.weight"])
        for index, block in enumerate(self.blocks):
            for name, parameter in block.items():
                parts = [weights[f"blk.{index}.{part}.weight"] for part in FUSED.get(name, (name,))]
                parameter.copy_(torch.cat(parts))

    def export(self) -> dict[str, Tensor]:
        """Every tensor in float32 by GGUF name, as `load` takes them."""
        shape = self.shape
        heights = {
            "attn_qkv": [shape.width, shape.kv_heads * shape.head_width, shape.kv_heads * shape.head_width],
            "ffn_gate_up": [shape.ffn, shape.ffn],
        }
        weights = {"token_embd.weight": torch.cat([self.control, self.words]), "output_norm.weight": self.output_norm}
        for index, block in enumerate(self.blocks):
            for name, parameter in block.items():
                parts = parameter.split(heights[name]) if name in heights else [parameter]
                for part, tensor in zip(FUSED.get(name, (name,)), parts):
                    weights[f"blk.{index}.{part}.weight"] = tensor
        return {name: tensor.detach().float().cpu().clone() for name, tensor in weights.items()}

    def learn_attention_from(self, layer: int) -> None:
        """Of all matrices only those of attention learn, from `layer` on, beside the control tokens; and every norm."""
        for index, block in enumerate(self.blocks):
            for name in MATRICES:
                block[name].requires_grad_(index >= layer and name in ATTENTION)

    @torch.no_grad()
    def round_embedding(self) -> None:
        """From now on the embedding is used as Q5_0 will hold it. Rows that do not learn are rounded for good."""
        self._is_rounded = True
        if not self.words.requires_grad:
            self.words.copy_(q5_0(self.words))

    @property
    def embedding(self) -> tuple[Tensor, Tensor]:
        """Its rows as they are used: control tokens, and all others."""
        return self._used(self.control), self._used(self.words)

    def _used(self, matrix: Tensor) -> Tensor:
        return rounded(matrix) if self._is_rounded and matrix.requires_grad else matrix

    def hidden(self, tokens: Tensor, positions: Tensor | None = None, visible: Tensor | None = None) -> Tensor:
        """(rows, length) ids to (rows, length, width) states behind the last norm. Rows may be padded at their ends.

        For trees: `positions`, (rows, length), and which tokens each one sees, `visible`, (rows, length, length) of bool.
        Without them every token stands behind all those before it, which is computed in less time.
        """
        epsilon = self.shape.epsilon
        turns = self._turns_of(tokens.shape[1], positions, tokens.device)
        x = F.embedding(tokens, torch.cat(self.embedding)).float()
        mask = None if visible is None else additive(visible, self.shape.heads, product_dtype(x))
        change = torch.zeros((), device=x.device)
        for block in self.blocks:
            x, normed = add_and_norm(x, change, block["attn_norm"], epsilon)
            change = self._attention(block, normed, turns, mask)
            x, normed = add_and_norm(x, change, block["ffn_norm"], epsilon)
            change = self._feed_forward(block, normed)
        return add_and_norm(x, change, self.output_norm, epsilon)[1]

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, width) states to (…, vocabulary) logits."""
        return F.linear(hidden, torch.cat(self.embedding).to(hidden.dtype))

    def _attention(self, block: Mapping[str, Tensor], x: Tensor, turns: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        rows, length, _ = x.shape
        shape = self.shape
        together = self._product(x, block["attn_qkv"]).view(rows, length, -1, shape.head_width)
        q, k, v = rotated_heads(together, turns, shape.heads, shape.kv_heads)
        out = causal_attention(q, k, v) if mask is None else masked_attention(q, k, v, mask)
        return self._product(out.transpose(1, 2).reshape(rows, length, -1), block["attn_output"])

    def _feed_forward(self, block: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return self._product(gated(self._product(x, block["ffn_gate_up"])), block["ffn_down"])

    def _product(self, x: Tensor, matrix: Tensor) -> Tensor:
        return F.linear(x, matrix.to(x.dtype))

    def _turns_of(self, length: int, positions: Tensor | None, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosine and sine of each position's angle for each pair: ([rows,] length, 1, half a head), with rows if there are positions."""
        if self._turns is None or len(self._turns[0]) < length or self._turns[0].device != device:
            share = torch.arange(0, self.shape.head_width, 2, device=device).float() / self.shape.head_width
            angles = torch.outer(torch.arange(max(length, 1024), device=device).float(), self.shape.rope_base**-share)[:, None, :]
            self._turns = (angles.cos(), angles.sin())
        cosine, sine = self._turns
        places = slice(length) if positions is None else positions
        return cosine[places], sine[places]


def perhaps_compiled(function: Part) -> Part:
    """With CONTINUO_COMPILE set: compiled to one pass over memory, which made steps a fifth faster on two cores. Needs a C++ compiler."""
    return torch.compile(function, dynamic=True) if os.environ.get("CONTINUO_COMPILE") is not None else function


@perhaps_compiled
def add_and_norm(x: Tensor, change: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The sum, in float32, and its root-mean-square norm, in the dtype of products."""
    total = x + change
    scale = torch.rsqrt(total.square().mean(-1, keepdim=True) + epsilon)
    return total, (total * scale * weight).to(product_dtype(total))


def product_dtype(x: Tensor) -> torch.dtype:
    """bfloat16 under autocast, else as it is: conversion is checked in float32."""
    enabled = torch.is_autocast_enabled() if x.is_cuda else torch.is_autocast_cpu_enabled()
    return torch.bfloat16 if enabled else x.dtype


@perhaps_compiled
def gated(gate_and_up: Tensor) -> Tensor:
    gate, up = gate_and_up.chunk(2, dim=-1)
    return F.silu(gate) * up


@perhaps_compiled
def rotated_heads(x: Tensor, turns: tuple[Tensor, Tensor], heads: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(rows, length, heads + 2 kv_heads, width) to q, k, v of (rows, heads, length, width) each, q and k with rotary embedding."""
    q, k, v = x.split([heads, kv_heads, kv_heads], dim=2)
    q, k = rotate(q, turns), rotate(k, turns)
    shared = heads // kv_heads
    return q.transpose(1, 2), *(part.repeat_interleave(shared, dim=2).transpose(1, 2) for part in (k, v))


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Neighbouring pairs turn together, as llama.cpp's `llama` architecture stores them. x: (rows, length, heads, width)."""
    cosine, sine = turns
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2).to(x.dtype)


def visible_in_tree(first: Tensor, sees: Tensor) -> Tensor:
    """(rows, length) each, as in Batch, to (rows, length, length): what stands before a token in its branch, and what its branch sees."""
    place = torch.arange(first.shape[1], device=first.device)
    return (place <= place[:, None]) & ((place >= first[..., None]) | (place < sees[..., None]))


def additive(visible: Tensor, heads: int, dtype: torch.dtype) -> Tensor:
    """(rows, length, length) of bool to what `masked_attention` adds to scores: (rows, 1, length, length), or each head's own on CPUs.

    Once for all layers there, as a product that takes the sum along is quicker than an addition in every layer.
    """
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, float("-inf"))
    return mask[:, None] if mask.is_cuda else mask.repeat_interleave(heads, dim=0)


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(rows, heads, length, width) each; every token sees all those before it."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    length = q.shape[-2]
    return masked_attention(q, k, v, torch.full((1, length, length), float("-inf"), dtype=q.dtype).triu(1))


def masked_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """The same with a mask of `additive`. On CPUs plain products were twice as fast as torch's own kernel at 384 tokens."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = torch.baddbmm(mask, q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=q.shape[-1] ** -0.5)
    return torch.bmm(scores.softmax(-1).to(v.dtype), v.flatten(0, 1)).view_as(q)
