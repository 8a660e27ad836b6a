"""Examples on disk: token ids with the weight of each one's loss. A folder of flat arrays, so that a reader maps them.

An example is one sequence, or a tree: a trunk, and branches that each go on behind some first tokens of the trunk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

TOKENS, WEIGHTS, OFFSETS, KINDS, ABOUT = "tokens.u16", "weights.u8", "offsets.u64", "kinds.u8", "about.json"
#: Pairs as in Branch, and where each example's begin among them. A folder without trees has neither.
BRANCHES, BRANCH_OFFSETS = "branches.u16", "branch-offsets.u64"


class Branch(NamedTuple):
    """`first` is where it begins in its example; `sees` says how many tokens of the trunk stand before it, and no others do."""

    first: int
    sees: int


class ExampleWriter:
    """Appends examples; the folder is readable once the writer is closed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._tokens = (folder / TOKENS).open("wb")
        self._weights = (folder / WEIGHTS).open("wb")
        self._offsets = [0]
        self._branches: list[Branch] = []
        self._branch_offsets = [0]
        self._kinds: list[int] = []
        self._names: list[str] = []

    def add(self, tokens: Sequence[int], weights: Sequence[int], kind: str, branches: Sequence[Branch] = ()) -> None:
        """`weights[i]`, 0 to 100, is the weight of predicting `tokens[i]` from what stands before it; `weights[0]` is not used.

        The trunk of a tree comes first, then branch after branch. The first token of a branch is not learned: weight 0.
        """
        if len(tokens) != len(weights) or len(tokens) < 2:
            raise ValueError(f"{len(tokens)} tokens with {len(weights)} weights: expected as many, and two at least")
        _check_branches(branches, weights)
        if kind not in self._names:
            self._names.append(kind)
        np.asarray(tokens, dtype=np.uint16).tofile(self._tokens)
        np.asarray(weights, dtype=np.uint8).tofile(self._weights)
        self._offsets.append(self._offsets[-1] + len(tokens))
        self._branches += branches
        self._branch_offsets.append(len(self._branches))
        self._kinds.append(self._names.index(kind))

    def __enter__(self) -> "ExampleWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._tokens.close()
        self._weights.close()
        np.asarray(self._offsets, dtype=np.uint64).tofile(self._folder / OFFSETS)
        np.asarray(self._kinds, dtype=np.uint8).tofile(self._folder / KINDS)
        if self._branches:
            np.asarray(self._branches, dtype=np.uint16).tofile(self._folder / BRANCHES)
            np.asarray(self._branch_offsets, dtype=np.uint64).tofile(self._folder / BRANCH_OFFSETS)
        about = {"kinds": self._names, "examples": len(self._kinds), "tokens": self._offsets[-1]}
        (self._folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")


def _check_branches(branches: Sequence[Branch], weights: Sequence[int]) -> None:
    trunk = branches[0].first if branches else 0
    ends = [branch.first for branch in branches[1:]] + [len(weights)]
    for branch, end in zip(branches, ends):
        if not 0 < branch.sees <= trunk or not branch.first < end:
            raise ValueError(f"{branch} before {end}: expected a branch with tokens that sees 1 to {trunk} tokens of the trunk")
        if weights[branch.first] != 0:
            raise ValueError(f"the first token of {branch} has the weight {weights[branch.first]}, expected 0")


class ExampleReader:
    """Maps a folder that ExampleWriter closed."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / ABOUT).read_text())
        self._names: list[str] = about["kinds"]
        self._tokens = np.memmap(folder / TOKENS, dtype=np.uint16, mode="r")
        self._weights = np.memmap(folder / WEIGHTS, dtype=np.uint8, mode="r")
        self._offsets = np.fromfile(folder / OFFSETS, dtype=np.uint64).astype(np.int64)
        self._kinds = np.fromfile(folder / KINDS, dtype=np.uint8)
        self._branches = np.empty((0, 2), dtype=np.int64)
        self._branch_offsets = np.zeros(len(self._kinds) + 1, dtype=np.int64)
        if (folder / BRANCHES).exists():
            self._branches = np.fromfile(folder / BRANCHES, dtype=np.uint16).reshape(-1, 2).astype(np.int64)
            self._branch_offsets = np.fromfile(folder / BRANCH_OFFSETS, dtype=np.uint64).astype(np.int64)

    def __len__(self) -> int:
        return len(self._kinds)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example."""
        return np.diff(self._offsets)

    @property
    def kinds(self) -> list[str]:
        return [self._names[kind] for kind in self._kinds]

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        start, end = self._offsets[index], self._offsets[index + 1]
        return self._tokens[start:end], self._weights[start:end], self._names[self._kinds[index]]

    def branches(self, index: int) -> list[Branch]:
        """Of a tree, in their order; none of a plain sequence."""
        start, end = self._branch_offsets[index], self._branch_offsets[index + 1]
        return [Branch(*pair) for pair in self._branches[start:end].tolist()]

    def sequences(self, index: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """(tokens, weights) of what the example stands for: itself, or of a tree each branch behind what it sees."""
        tokens, weights, _ = self[index]
        branches = self.branches(index)
        if not branches:
            return [(tokens, weights)]
        ends = [branch.first for branch in branches[1:]] + [len(tokens)]
        return [
            (np.concatenate([tokens[:sees], tokens[first:end]]), np.concatenate([weights[:sees], weights[first:end]]))
            for (first, sees), end in zip(branches, ends)
        ]
