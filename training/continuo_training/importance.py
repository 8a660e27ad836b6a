"""Which columns of a matrix matter: the mean square of what each is multiplied with, over examples.

llama.cpp calls the same an importance matrix; its quantisers weigh each column's rounding error by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from .base import read_base
from .dataset import ExampleReader
from .model import FUSED, Llama
from .sample import sample
from .train import CONTROL_TOKENS


class _Inputs(TorchFunctionMode):
    """Sums the squares of the inputs of every product with a weight that it was told of."""

    def __init__(self, weights: Mapping[int, str]) -> None:
        super().__init__()
        self._names = weights
        self.sums: dict[str, torch.Tensor] = {}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.linear and (name := self._names.get(args[1].data_ptr())) is not None:
            squares = args[0].float().square().flatten(0, -2).sum(0)
            self.sums[name] = self.sums.get(name, 0) + squares
        return function(*args, **(kwargs or {}))


@torch.no_grad()
def column_importance(model: Llama, sequences: Iterable[Sequence[int]]) -> dict[str, np.ndarray]:
    """(columns,) for every matrix by its GGUF name. The embedding counts as what it is at the end, the output matrix."""
    weights = {
        parameter.data_ptr(): f"{layer}.{name}"
        for layer, block in enumerate(model.blocks)
        for name, parameter in block.items()
        if parameter.dim() == 2
    }
    inputs = _Inputs(weights)
    output, count = torch.zeros(model.shape.width), 0
    for ids in sequences:
        with inputs:
            hidden = model.hidden(torch.tensor([[int(token) for token in ids]]))
        output += hidden[0].square().sum(0)
        count += len(ids)
    found = {"token_embd.weight": output}
    for place, total in inputs.sums.items():
        layer, name = place.split(".")
        found |= {f"blk.{layer}.{part}.weight": total for part in FUSED.get(name, (name,))}
    return {name: (total / count).numpy() for name, total in found.items()}


def importance_on(model_file: Path, examples: Path, tokens: int, seed: int = 1) -> dict[str, np.ndarray]:
    """The same for the weights of a GGUF file, on some examples of a folder."""
    file = read_base(model_file)
    model = Llama(file.shape, CONTROL_TOKENS, train_embeddings=False)
    model.load({name: torch.from_numpy(weight) for name, weight in file.weights().items()})
    return column_importance(model, sample(ExampleReader(examples), tokens, seed).tokens)
