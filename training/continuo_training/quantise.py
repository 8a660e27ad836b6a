"""A GGUF file in full precision to a smaller one, by one of the recipes below.

    training/run quantise --recipe NAME --out model/continuo-135m.gguf
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFReader

from . import ggml
from .gguf_file import Tensor, metadata_of, number, write_gguf

#: The built-in model may weigh this much, bytes.
LIMIT_BYTES = 95_000_000

#: Where rows do not fill blocks of 256 values, llama.cpp takes these instead, and so do we.
FALLBACK = {Kind.Q4_K: Kind.Q5_0, Kind.Q5_K: Kind.Q5_1, Kind.Q6_K: Kind.Q8_0}

#: `general.file_type` of llama.cpp, by the type of most tensors.
FILE_TYPES = {
    Kind.Q4_0: 2, Kind.Q4_1: 3, Kind.Q8_0: 7, Kind.Q5_0: 8, Kind.Q5_1: 9, Kind.Q4_K: 14, Kind.Q5_K: 16, Kind.IQ4_NL: 25,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Types of the embedding, which is the output matrix too, of the attention's matrices and of the others."""

    embedding: Kind
    attention: Kind
    feed_forward: Kind

    def kind(self, name: str, shape: tuple[int, ...]) -> Kind:
        """The type of one tensor. Vectors stay in full precision, as everywhere in llama.cpp."""
        if len(shape) < 2:
            return Kind.F32
        wanted = self.embedding if name == "token_embd.weight" else self.attention if ".attn_" in name else self.feed_forward
        return wanted if ggml.blocks_fit(wanted, shape[-1]) else FALLBACK[wanted]


def _uniform(kind: Kind) -> Recipe:
    return Recipe(kind, kind, kind)


RECIPES = {
    "q4_0": _uniform(Kind.Q4_0),
    "q4_1": _uniform(Kind.Q4_1),
    "iq4_nl": _uniform(Kind.IQ4_NL),
    "q4_k": _uniform(Kind.Q4_K),
    "q5_0": _uniform(Kind.Q5_0),
    "q5_1": _uniform(Kind.Q5_1),
    "q5_k": _uniform(Kind.Q5_K),
    "q8_0": _uniform(Kind.Q8_0),
    "q4_0-q8": Recipe(Kind.Q8_0, Kind.Q4_0, Kind.Q4_0),
    "q4_0-q8-attention-q5": Recipe(Kind.Q8_0, Kind.Q5_0, Kind.Q4_0),
    "iq4_nl-q8": Recipe(Kind.Q8_0, Kind.IQ4_NL, Kind.IQ4_NL),
    "iq4_nl-q8-attention-q5": Recipe(Kind.Q8_0, Kind.Q5_0, Kind.IQ4_NL),
}
DEFAULT_RECIPE = "q5_0"


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
    changes = {"general.file_type": number(FILE_TYPES[recipe.feed_forward]), "general.quantization_version": number(2)}
    write_gguf(out, metadata_of(reader) | changes, tensors)
    return out.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(prog="training/run quantise", description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="folder of this run")
    parser.add_argument("--source", type=Path, help="default: model-f32.gguf in the work folder")
    parser.add_argument("--recipe", choices=RECIPES, default=DEFAULT_RECIPE)
    parser.add_argument("--out", type=Path, help="default: model-RECIPE.gguf in the work folder")
    options = parser.parse_args()
    out = options.out or options.work / f"model-{options.recipe}.gguf"
    size = quantise(options.source or options.work / "model-f32.gguf", out, RECIPES[options.recipe])
    print(f"{out}: {size:,} bytes{'' if size <= LIMIT_BYTES else f', more than the {LIMIT_BYTES:,} that may be shipped'}")


if __name__ == "__main__":
    main()
