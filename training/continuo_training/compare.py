"""What each way of quantising costs and keeps: bytes, perplexity on validation examples, tokens per second in our engine.

    training/run compare [--recipes q5_0 q8_0] [--tokens 6000]

Prints a Markdown table and keeps it in the work folder. A perplexity is that of the fully weighted tokens, which are the
middles and the answers; the speed is that of this machine at this moment, so let it do nothing else.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import engine
from .dataset import ExampleReader
from .importance import importance_on
from .quantise import DEFAULT_RECIPE, IMPORTANCE_TOKENS, LIMIT_BYTES, RECIPES, quantise
from .sample import Sample, sample


@dataclass(frozen=True)
class Outcome:
    name: str
    bytes: int
    perplexity: Mapping[str, float]
    speed: Mapping[str, float]


def perplexities(scores: Sequence[Sequence[float]], examples: Sample) -> dict[str, float]:
    """Of the asked tokens by group of kinds. `scores[i][j]` belongs to token j + 1 of example i."""
    found: dict[str, list[float]] = {}
    for line, asked, kind in zip(scores, examples.asked, examples.kinds, strict=True):
        found.setdefault(group(kind), []).extend(np.asarray(line)[asked[1:]])
    return {name: math.exp(-float(np.mean(values))) for name, values in sorted(found.items()) if values}


def group(kind: str) -> str:
    return "chat" if kind.startswith("chat") else "infill"


def measure(name: str, model: Path, examples: Sample) -> Outcome:
    scores = engine.scores(model, [ids.tolist() for ids in examples.tokens])
    return Outcome(name, model.stat().st_size, perplexities(scores, examples), engine.speed(model))


def table(outcomes: Sequence[Outcome]) -> str:
    groups = list(outcomes[0].perplexity)
    lines = [
        f"| Recipe | Bytes | {' | '.join(f'Perplexity, {name}' for name in groups)} | Prefill, tokens/s | Decode, tokens/s |",
        f"| --- | --: | {' | '.join('--:' for _ in groups)} | --: | --: |",
    ]
    for each in outcomes:
        size = f"{each.bytes:,}{'' if each.bytes <= LIMIT_BYTES else ' (too many)'}"
        perplexity = " | ".join(f"{each.perplexity[name]:.3f}" for name in groups)
        lines.append(f"| {each.name} | {size} | {perplexity} | {each.speed['prefill']:.0f} | {each.speed['decode']:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="training/run compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="folder of this run")
    parser.add_argument("--source", type=Path, help="file in F32 (default: model-f32.gguf in the work folder)")
    parser.add_argument("--examples", type=Path, help="folder with train/ and valid/ (default: WORK/examples)")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), help="default: all")
    parser.add_argument("--tokens", type=int, default=4000, help="of validation examples (default: %(default)s)")
    parser.add_argument("--importance-tokens", type=int, default=IMPORTANCE_TOKENS, help="of training examples (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    source = options.source or options.work / "model-f32.gguf"
    folder = options.examples or options.work / "examples"
    examples = sample(ExampleReader(folder / "valid"), options.tokens, options.seed)
    importance = importance_on(source, folder / "train", options.importance_tokens)
    outcomes = [measure("f32", source, examples)]
    for name, weighed in [*((name, importance) for name in options.recipes), (DEFAULT_RECIPE, None)]:
        out = options.work / "compared.gguf"
        quantise(source, out, RECIPES[name], weighed)
        outcomes.append(measure(name if weighed else f"{name}, all columns alike", out, examples))
        print(outcomes[-1], flush=True)
        out.unlink()
    (options.work / "compared.md").write_text(table(outcomes))
    print(table(outcomes))


if __name__ == "__main__":
    main()
