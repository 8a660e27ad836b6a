"""Examples on disk: token ids with the weight of each one's loss. A folder of flat arrays, so that a reader maps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

TOKENS, WEIGHTS, OFFSETS, KINDS, ABOUT = "tokens.u16", "weights.u8", "offsets.u64", "kinds.u8", "about.json"


class ExampleWriter:
    """Appends examples; the folder is readable once the writer is closed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._tokens = (folder / TOKENS).open("wb")
        self._weights = (folder / WEIGHTS).open("wb")
        self._offsets = [0]
        self._kinds: list[int] = []
        self._names: list[str] = []

    def add(self, tokens: Sequence[int], weights: Sequence[int], kind: str) -> None:
        """`weights[i]`, 0 to 100, is the weight of predicting `tokens[i]` from what stands before it; `weights[0]` is not used."""
        if len(tokens) != len(weights) or len(tokens) < 2:
            raise ValueError(f"{len(tokens)} tokens with {len(weights)} weights: expected as many, and two at least")
        if kind not in self._names:
            self._names.append(kind)
        np.asarray(tokens, dtype=np.uint16).tofile(self._tokens)
        np.asarray(weights, dtype=np.uint8).tofile(self._weights)
        self._offsets.append(self._offsets[-1] + len(tokens))
        self._kinds.append(self._names.index(kind))

    def __enter__(self) -> "ExampleWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._tokens.close()
        self._weights.close()
        np.asarray(self._offsets, dtype=np.uint64).tofile(self._folder / OFFSETS)
        np.asarray(self._kinds, dtype=np.uint8).tofile(self._folder / KINDS)
        about = {"kinds": self._names, "examples": len(self._kinds), "tokens": self._offsets[-1]}
        (self._folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")


class ExampleReader:
    """Maps a folder that ExampleWriter closed."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / ABOUT).read_text())
        self._names: list[str] = about["kinds"]
        self._tokens = np.memmap(folder / TOKENS, dtype=np.uint16, mode="r")
        self._weights = np.memmap(folder / WEIGHTS, dtype=np.uint8, mode="r")
        self._offsets = np.fromfile(folder / OFFSETS, dtype=np.uint64).astype(np.int64)
        self._kinds = np.fromfile(folder / KINDS, dtype=np.uint8)

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
