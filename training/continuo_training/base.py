"""The model that training starts from: a GGUF file of the llama architecture."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize

FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"

#: Control tokens of SmolLM2 that its training left nearly unused, and the spelling that each has in our model. The first two
#: keep their meaning; the other four had none that we need.
RENAMED = {
    "<repo_name>": "<|repo_name|>",
    "<file_sep>": "<|file_sep|>",
    "<issue_start>": "<|fim_prefix|>",
    "<issue_comment>": "<|fim_suffix|>",
    "<issue_closed>": "<|fim_middle|>",
    "<empty_output>": "<|fim_pad|>",
}


@dataclass(frozen=True)
class Shape:
    """Hyperparameters of the llama architecture."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int
    context: int
    rope_base: float
    epsilon: float

    @property
    def head_width(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True)
class Base:
    """What a GGUF file says besides its weights. `fields` holds every metadata value as Python sees it."""

    path: Path
    shape: Shape
    tokens: list[str]
    control: dict[str, int]
    merges: list[str]
    fields: dict[str, object]

    def weights(self) -> dict[str, np.ndarray]:
        """All tensors, dequantised to float32, by GGUF name; matrices are (out, in), in GGUF's own row order."""
        reader = GGUFReader(self.path)
        return {tensor.name: dequantize(tensor.data, tensor.tensor_type).copy() for tensor in reader.tensors}


def read_base(path: Path) -> Base:
    """Reads metadata and vocabulary; control tokens carry their new spelling already."""
    reader = GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture = fields["general.architecture"]
    if architecture != "llama":
        raise SystemExit(f"{path}: architecture {architecture}, expected llama")
    tokens = [RENAMED.get(token, token) for token in fields["tokenizer.ggml.tokens"]]
    types = fields["tokenizer.ggml.token_type"]
    control_type = 3
    return Base(
        path=path,
        shape=Shape(
            layers=int(fields["llama.block_count"]),
            width=int(fields["llama.embedding_length"]),
            heads=int(fields["llama.attention.head_count"]),
            kv_heads=int(fields["llama.attention.head_count_kv"]),
            ffn=int(fields["llama.feed_forward_length"]),
            vocabulary=len(tokens),
            context=int(fields["llama.context_length"]),
            rope_base=float(fields["llama.rope.freq_base"]),
            epsilon=float(fields["llama.attention.layer_norm_rms_epsilon"]),
        ),
        tokens=tokens,
        control={token: index for index, token in enumerate(tokens) if types[index] == control_type},
        merges=list(fields["tokenizer.ggml.merges"]),
        fields=fields,
    )


def default_base() -> Path:
    """Where `training/run fetch` puts the base model, unless CONTINUO_BASE names another file."""
    return Path(os.environ.get("CONTINUO_BASE", f".cache/training/base/{FILE_NAME}"))
