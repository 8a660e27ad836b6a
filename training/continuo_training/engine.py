"""What our engine, the one that serves, says about a GGUF file: logits, log probabilities, speed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

#: Threads of the engine, if it shall not take all cores: on a busy machine waiting for a second one costs tenfold.
THREADS = [value] if (value := os.environ.get("CONTINUO_ENGINE_THREADS")) else []

_ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = _ROOT / "test" / "support" / "engine-scores.ts"


def logits(model: Path, sequences: Sequence[Sequence[int]], vocabulary: int) -> list[np.ndarray]:
    """(tokens, vocabulary) of each sequence of ids, float32."""
    flat = np.frombuffer(_run("logits", model, sequences), dtype="<f4").reshape(-1, vocabulary)
    return np.split(flat, np.cumsum([len(ids) for ids in sequences])[:-1])


def scores(model: Path, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
    """Natural log probability of every token but the first of each sequence."""
    return [json.loads(line) for line in _run("scores", model, sequences).splitlines()]


def speed(model: Path) -> dict[str, float]:
    """Tokens per second: `prefill` of 512 tokens at once, `decode` one by one behind them."""
    return json.loads(_run("speed", model, []))


def _run(mode: str, model: Path, sequences: Sequence[Sequence[int]]) -> bytes:
    lines = "".join(json.dumps([int(token) for token in ids]) + "\n" for ids in sequences)
    command = ["node", "--import", "tsx", str(_SCRIPT), mode, str(model.resolve()), *THREADS]
    done = subprocess.run(command, cwd=_ROOT, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout
