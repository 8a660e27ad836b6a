"""Some examples of a folder, for measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .dataset import ExampleReader

#: Weight of tokens that a model is asked for; less weighs what it only reads along.
ASKED = 100


@dataclass(frozen=True)
class Sample:
    """Examples of a folder: ids, which tokens count, and of what kind each example is."""

    tokens: list[np.ndarray]
    asked: list[np.ndarray]
    kinds: list[str]


def sample(reader: ExampleReader, tokens: int, seed: int) -> Sample:
    """Whole examples in a random order, to `tokens` in sum, none so long that few others would fit. Of a tree, one branch."""
    taken = Sample([], [], [])
    total = 0
    random = np.random.default_rng(seed)
    for index in random.permutation(len(reader)):
        sequences = reader.sequences(index)
        ids, weights = sequences[random.integers(len(sequences))]
        if len(ids) > max(tokens // 8, 256):
            continue
        if total >= tokens:
            break
        total += len(ids)
        taken.tokens.append(np.asarray(ids))
        taken.asked.append(np.asarray(weights) == ASKED)
        taken.kinds.append(reader[index][2])
    return taken
