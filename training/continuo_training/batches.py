"""Examples to batches of like length, in an order that a seed fixes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .dataset import ExampleReader
from .fim import ARRANGEMENTS

#: Examples are sorted by length within so many, so that the order stays random and hardly anything is padded.
WINDOW = 1024


@dataclass(frozen=True)
class Batch:
    """Arrays of (rows, length), int64 but for `counted`.

    tokens: padded with 0. targets: the same, one to the left. counted: which targets' loss counts; never one across the start
    of a branch. first and sees: where the token's branch begins, and how much of the trunk it sees; both 0 in a trunk.
    """

    tokens: np.ndarray
    targets: np.ndarray
    counted: np.ndarray
    first: np.ndarray
    sees: np.ndarray
    size: int

    @property
    def positions(self) -> np.ndarray:
        """Of each token in its own sequence."""
        return self.sees + np.arange(self.tokens.shape[1]) - self.first


def batches(reader: ExampleReader, tokens: int, seed: int, first: int = 0) -> Iterator[Batch]:
    """Endless batches of about `tokens`, beginning with number `first`. A token counts with the chance that its weight says."""
    number = 0
    epoch = 0
    while True:
        order = np.random.default_rng([seed, epoch])
        for rows in _plan(reader.lengths, tokens, order):
            if number >= first:
                yield _batch(reader, rows, np.random.default_rng([seed, epoch, number]))
            number += 1
        epoch += 1


def validation_batches(reader: ExampleReader, tokens: int) -> Iterator[tuple[str, Batch]]:
    """The first examples of every group of kinds, about `tokens` in all; only tokens of full weight count."""
    kinds = np.asarray([group(kind) for kind in reader.kinds])
    names = sorted(set(kinds))
    for name in names:
        lengths = reader.lengths
        of_kind = np.flatnonzero(kinds == name)
        fitting = of_kind[np.cumsum(lengths[of_kind]) <= max(tokens // len(names), lengths[of_kind[0]])]
        for rows in _split(fitting[np.argsort(lengths[fitting], kind="stable")], lengths, 4096):
            yield name, _batch(reader, rows, None)


def group(kind: str) -> str:
    """Cuts of an arrangement belong together, whatever is cut and wherever: "lines-psm-line-repository" is "psm-line"."""
    name = kind.removesuffix("-repository")
    return next((arrangement for arrangement in sorted(ARRANGEMENTS, key=len, reverse=True) if name.endswith(f"-{arrangement}")), name)


def _plan(lengths: np.ndarray, tokens: int, order: np.random.Generator) -> Iterator[np.ndarray]:
    shuffled = order.permutation(len(lengths))
    for start in range(0, len(shuffled), WINDOW):
        window = shuffled[start : start + WINDOW]
        groups = list(_split(window[np.argsort(lengths[window], kind="stable")], lengths, tokens))
        for index in order.permutation(len(groups)):
            yield groups[index]


def _split(rows: np.ndarray, lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Neighbouring rows together while the padded whole stays within `tokens`."""
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or lengths[rows[start : end + 1]].max() * (end + 1 - start) > tokens:
            yield rows[start:end]
            start = end


def _batch(reader: ExampleReader, rows: np.ndarray, chance: np.random.Generator | None) -> Batch:
    longest = int(reader.lengths[rows].max())
    tokens = np.zeros((len(rows), longest), dtype=np.int64)
    weights = np.zeros((len(rows), longest), dtype=np.int64)
    first, sees = np.zeros_like(tokens), np.zeros_like(tokens)
    for row, index in enumerate(rows):
        ids, weight, _ = reader[index]
        tokens[row, : len(ids)] = ids
        weights[row, : len(ids)] = weight
        for branch in reader.branches(index):
            first[row, branch.first :], sees[row, branch.first :] = branch
    targets = np.roll(tokens, -1, axis=1)
    weights = np.roll(weights, -1, axis=1)
    weights[:, -1] = 0
    floor = np.full(weights.shape, 99) if chance is None else chance.integers(0, 100, weights.shape)
    return Batch(tokens, targets, weights > floor, first, sees, int(reader.lengths[rows].sum()))
