"""A GGUF file in full precision to a smaller one, by one of the recipes below.

    training/run quantise [--recipe NAME] --out model/continuo-135m.gguf

The recipe `attention` fits what `train --attention-from 12 --rounded` changes: attention from layer 12 on has eight bits, and all
that did not learn comes out as the base's own Q4_1, bit for bit. For the others, rounding errors can weigh by the importance of
their columns (importance.py): on the base's Python text, Q5_0 raised the perplexity of 8.20 to 9.01 without and to 8.45 with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFReader

from . import ggml
from .gguf_file import Tensor, metadata_of, number, write_gguf
from .importance import importance_on

#: The built-in model may weigh this much, bytes.
LIMIT_BYTES = 95_000_000

#: Training examples that tell the importance of columns, tokens in all: some for every kind, in less than a minute.
IMPORTANCE_TOKENS = 6000

#: Where rows do not fill blocks of 256 values, llama.cpp takes these instead, and so do we.
FALLBACK = {Kind.Q4_K: Kind.Q5_0, Kind.Q5_K: Kind.Q5_1, Kind.Q6_K: Kind.Q8_0}

#: `general.file_type` of llama.cpp, by the type of most tensors.
FILE_TYPES = {
    Kind.Q4_0: 2, Kind.Q4_1: 3, Kind.Q8_0: 7, Kind.Q5_0: 8, Kind.Q5_1: 9, Kind.Q4_K: 14, Kind.Q5_K: 16, Kind.IQ4_NL: 25,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """`rest` is the type of every matrix that `parts` does not name by a piece of its name."""

    rest: Kind
    parts: Mapping[str, Kind] = field(default_factory=dict)

    def kind(self, name: str, shape: tuple[int, ...]) -> Kind:
        """The type of one tensor. Vectors stay in full precision, as everywhere in llama.cpp."""
        if len(shape) < 2:
            return Kind.F32
        wanted = next((kind for part, kind in self.parts.items() if part in name), self.rest)
        return wanted if ggml.blocks_fit(wanted, shape[-1]) else FALLBACK[wanted]


#: The embedding of this model, which is its output matrix too, is a fifth of all weights.
RECIPES = {
    "q4_0": Recipe(Kind.Q4_0),
    "q4_1": Recipe(Kind.Q4_1),
    "iq4_nl": Recipe(Kind.IQ4_NL),
    "q4_k": Recipe(Kind.Q4_K),
    "q5_0": Recipe(Kind.Q5_0),
    "q5_1": Recipe(Kind.Q5_1),
    "q5_k": Recipe(Kind.Q5_K),
    "q8_0": Recipe(Kind.Q8_0),
    "q4_0-embedding-q8_0": Recipe(Kind.Q4_0, {"token_embd": Kind.Q8_0}),
    "iq4_nl-embedding-q8_0": Recipe(Kind.IQ4_NL, {"token_embd": Kind.Q8_0}),
    "iq4_nl-embedding-q8_0-some-q5_0": Recipe(
        Kind.IQ4_NL, {"token_embd": Kind.Q8_0, "attn_k": Kind.Q5_0, "attn_v": Kind.Q5_0, "attn_output": Kind.Q5_0}
    ),
    "q4_k-embedding-q5_1": Recipe(Kind.Q4_K, {"token_embd": Kind.Q5_1}),
    "q5_0-down-q5_k": Recipe(Kind.Q5_0, {"ffn_down": Kind.Q5_K}),
    "attention": Recipe(Kind.Q4_1, {"token_embd": Kind.Q5_0} | {f"blk.{layer}.attn_": Kind.Q8_0 for layer in range(12, 30)}),
}
DEFAULT_RECIPE = "attention"


def quantise(source: Path, out: Path, recipe: Recipe, importance: Mapping[str, np.ndarray] | None = None) -> int:
    """Writes `source`, a file in F32, by `recipe`; returns its bytes.

    `importance`: by tensor name, (columns,), the mean square of what each column is multiplied with.
    """
    reader = GGUFReader(source)
    tensors = []
    for tensor in reader.tensors:
        matrix = np.asarray(tensor.data)
        kind = recipe.kind(tensor.name, matrix.shape)
        weights = (importance or {}).get(tensor.name)
        tensors.append(Tensor(tensor.name, matrix.shape, kind, partial(ggml.encode, matrix, kind, weights)))
    changes = {"general.file_type": number(FILE_TYPES[recipe.rest]), "general.quantization_version": number(2)}
    write_gguf(out, metadata_of(reader) | changes, tensors)
    return out.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(prog="training/run quantise", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="folder of this run")
    parser.add_argument("--source", type=Path, help="default: model-f32.gguf in the work folder")
    parser.add_argument("--recipe", choices=RECIPES, default=DEFAULT_RECIPE)
    parser.add_argument("--out", type=Path, help="default: model-RECIPE.gguf in the work folder")
    parser.add_argument("--examples", type=Path, help="folder with train/ and valid/ (default: WORK/examples)")
    parser.add_argument(
        "--importance-tokens",
        type=int,
        default=0,
        help=f"of training examples, to weigh columns by, say {IMPORTANCE_TOKENS}; 0: all alike (default: %(default)s)",
    )
    options = parser.parse_args()
    source = options.source or options.work / "model-f32.gguf"
    out = options.out or options.work / f"model-{options.recipe}.gguf"
    importance = None
    if options.importance_tokens:
        importance = importance_on(source, (options.examples or options.work / "examples") / "train", options.importance_tokens)
    size = quantise(source, out, RECIPES[options.recipe], importance)
    print(f"{out}: {size:,} bytes{'' if size <= LIMIT_BYTES else f', more than the {LIMIT_BYTES:,} that may be shipped'}")


if __name__ == "__main__":
    main()
