"""Checks a conversion: our engine's logits from the GGUF file against the training framework's from the weights.

    training/run check [--quantised model/continuo-135m.gguf]

On validation examples, over the whole vocabulary, in float32. Ends with code 1 when the file in full precision is further
away than rounding explains; a quantised file is only reported on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from . import engine
from .base import Shape, default_base, read_base
from .convert import load_weights
from .dataset import ExampleReader
from .model import Llama
from .sample import sample
from .train import CONTROL_TOKENS

#: Root mean square difference of logits, as a share of their spread, that half precision of keys and values may cause.
LIMIT = 0.005


def framework_logits(
    shape: Shape, weights: Mapping[str, np.ndarray], sequences: Sequence[Sequence[int]]
) -> list[np.ndarray]:
    """(tokens, vocabulary) per sequence, in float32 throughout."""
    model = Llama(shape, CONTROL_TOKENS, train_embeddings=False)
    model.load({name: torch.from_numpy(weight) for name, weight in weights.items()})
    with torch.no_grad():
        return [model.logits(model.hidden(torch.tensor([ids])))[0].numpy() for ids in sequences]


def distance(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Root mean square of the logits' differences as a share of the spread of all logits."""
    flat = np.concatenate(list(ours)), np.concatenate(list(theirs))
    if flat[0].shape != flat[1].shape:
        raise ValueError(f"logits of the shapes {flat[0].shape} and {flat[1].shape}")
    return float(np.sqrt(np.mean((flat[0] - flat[1]) ** 2)) / flat[1].std())


def agreement(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Share of places where both find the same token the likeliest."""
    return float(np.mean(np.concatenate([a.argmax(-1) == b.argmax(-1) for a, b in zip(ours, theirs, strict=True)])))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="training/run check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="folder of this run")
    parser.add_argument("--base", type=Path, default=default_base(), help="GGUF file that training started from")
    parser.add_argument("--weights", type=Path, help="default: run/weights.pt in the work folder")
    parser.add_argument("--source", type=Path, help="the weights converted (default: model-f32.gguf in the work folder)")
    parser.add_argument("--quantised", type=Path, nargs="*", default=[], help="files made of it, to report on")
    parser.add_argument("--examples", type=Path, help="folder with train/ and valid/ (default: WORK/examples)")
    parser.add_argument("--tokens", type=int, default=1000, help="of validation examples (default: %(default)s)")
    options = parser.parse_args()
    folder = options.examples or options.work / "examples"
    sequences = [ids.tolist() for ids in sample(ExampleReader(folder / "valid"), options.tokens, seed=1).tokens]
    shape = read_base(options.base).shape
    theirs = framework_logits(shape, load_weights(options.weights or options.work / "run" / "weights.pt"), sequences)
    source = options.source or options.work / "model-f32.gguf"
    for path in (source, *options.quantised):
        ours = engine.logits(path, sequences, shape.vocabulary)
        far = distance(ours, theirs)
        print(f"{path.name}: logits differ by {far:.5f} of their spread, same likeliest token at {agreement(ours, theirs):.1%} of places")
        if path == source and not far < LIMIT:
            raise SystemExit(f"{path}: expected less than {LIMIT}; the file does not compute what was trained")


if __name__ == "__main__":
    main()
