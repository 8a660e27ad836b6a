"""Makes good what quantising broke: the vectors of a quantised file, which it keeps in F32, learn to live with its matrices.

    training/run settle --model model/continuo-135m.gguf [--tokens 130000]

Rounding moves weights by more than training did, and the model's sense of where a middle ends suffers first. Only the norms
learn here, on training examples; the file is replaced when it is done, its matrices byte for byte the same.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader

from .base import read_base
from .batches import batches
from .dataset import ExampleReader
from .gguf_file import Tensor, metadata_of, write_gguf
from .train import Trainer

REPORT_STEPS = 4


def settle(trainer: Trainer, train: ExampleReader, tokens: int, batch: int, seed: int, tell: Callable[[str], None] = print) -> None:
    """Trains on `tokens`, with a rate that falls from the full one to nothing."""
    source = batches(train, batch, seed)
    losses: list[float] = []
    while trainer.state.tokens < tokens:
        losses.append(trainer.step(next(source), 1 - trainer.state.tokens / tokens))
        if len(losses) % REPORT_STEPS == 0:
            tell(f"{trainer.state.tokens:,} of {tokens:,} tokens, loss {np.mean(losses[-REPORT_STEPS:]):.4f}")


def with_vectors(file: Path, vectors: Mapping[str, np.ndarray]) -> None:
    """Replaces a file by one that differs in these vectors alone."""
    reader = GGUFReader(file)
    tensors = []
    for tensor in reader.tensors:
        shape = tuple(int(each) for each in reversed(tensor.shape))
        data = vectors[tensor.name] if len(shape) == 1 else np.array(tensor.data)
        tensors.append(Tensor(tensor.name, shape, tensor.tensor_type, partial(np.asarray, data)))
    write_gguf(file, metadata_of(reader), tensors)


def main() -> None:
    parser = argparse.ArgumentParser(prog="training/run settle", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="folder of this run (default: %(default)s)")
    parser.add_argument("--examples", type=Path, help="folder with train/ and valid/ (default: WORK/examples)")
    parser.add_argument("--model", type=Path, required=True, help="quantised file, which is replaced")
    parser.add_argument("--tokens", type=int, default=130_000, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8192, help="tokens of a step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate at first (default: %(default)s)")
    parser.add_argument("--valid-tokens", type=int, default=12_000, help="tokens per validation (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=2, help="(default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    examples = options.examples or options.work / "examples"
    valid = ExampleReader(examples / "valid")
    trainer = Trainer.of_vectors(read_base(options.model), options.rate)
    print(f"before: {trainer.validate(valid, options.valid_tokens)}", flush=True)
    settle(trainer, ExampleReader(examples / "train"), options.tokens, options.batch, options.seed, partial(print, flush=True))
    print(f"after: {trainer.validate(valid, options.valid_tokens)}", flush=True)
    exported = trainer.model.export()
    with_vectors(options.model, {name: tensor.numpy() for name, tensor in exported.items() if tensor.dim() == 1})


if __name__ == "__main__":
    main()
