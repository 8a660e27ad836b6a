"""Trains on examples: a constant rate for as long as there is time, then, whenever a model is wanted, a decline to zero.

The trunk (`--until`) and its declines (`--decline`) are separate, so that one may stop, look, and go on another day.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor

from .base import Base, default_base, read_base
from .batches import Batch, batches, validation_batches
from .dataset import ExampleReader
from .loss import summed_cross_entropy
from .model import Llama, visible_in_tree
from .tokenizer import Tokenizer

#: SmolLM2's unused control tokens come first in its vocabulary.
CONTROL_TOKENS = 17

#: Times that the end of a middle counts in an update: ends are few among many tokens, and to stop must be learned as well. With 8
#: a model ended nearly every middle at the end of its first line.
END_TIMES = 3

#: Times the rate at which control tokens learn: the markers begin all alike, and their few rows are all that tells them apart.
MARKERS_TIMES = 8


@dataclass
class State:
    """Where a run stands. `batch` counts batches taken from the data called `data`."""

    step: int = 0
    tokens: int = 0
    batch: int = 0
    data: str = ""


class Trainer:
    """Model, optimiser and state, saved together."""

    def __init__(self, base: Base, options: argparse.Namespace) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = Llama(base.shape, CONTROL_TOKENS, options.train_embeddings)
        self.model.load({name: torch.from_numpy(tensor) for name, tensor in base.weights().items()})
        self._start_markers(base)
        if options.attention_from is not None:
            self.model.learn_attention_from(options.attention_from)
        self.model.to(self.device)
        self.end = base.control["<|endoftext|>"]
        learning = [parameter for parameter in self.model.parameters() if parameter.requires_grad and parameter is not self.model.control]
        groups = [
            {"params": [parameter for parameter in learning if parameter.dim() > 1], "weight_decay": options.weight_decay},
            {"params": [parameter for parameter in learning if parameter.dim() == 1], "weight_decay": 0.0},
            {"params": [self.model.control], "lr": MARKERS_TIMES * options.rate, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.97), eps=1e-8, **fused())
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.state = State()

    @torch.no_grad()
    def _start_markers(self, base: Base) -> None:
        """The markers begin as line breaks, which the base takes for less of an end than the unused tokens that they were."""
        line_break = Tokenizer(base).encode("\n")[0] - CONTROL_TOKENS
        for marker in ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"):
            self.model.control[base.control[marker]] = self.model.words[line_break]

    def loss(self, batch: Batch, end_times: int = 1) -> tuple[Tensor, int]:
        """Summed loss over the counted tokens, and their number. The ends of middles are taken `end_times`."""
        with products(self.device):
            hidden = self.model.hidden(torch.from_numpy(batch.tokens).to(self.device), *self._tree(batch))
            times = np.where(batch.targets[batch.counted] == self.end, end_times, 1)
            counted = torch.from_numpy(np.repeat(np.flatnonzero(batch.counted), times)).to(self.device)
            targets = torch.from_numpy(batch.targets).to(self.device).flatten()[counted]
            total = summed_cross_entropy(hidden.flatten(0, 1)[counted], *self.model.embedding, targets)
        return total, len(targets)

    def _tree(self, batch: Batch) -> tuple[Tensor, Tensor] | tuple[()]:
        """Positions and what each token sees, where that is not simply all before it."""
        if not batch.first.any():
            return ()
        first, sees = (torch.from_numpy(each).to(self.device) for each in (batch.first, batch.sees))
        return torch.from_numpy(batch.positions).to(self.device), visible_in_tree(first, sees)

    def step(self, batch: Batch, share: float) -> float:
        """One update at `share` of the rate; the mean loss of the counted tokens."""
        total, counted = self.loss(batch, END_TIMES)
        mean = total / max(counted, 1)
        mean.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * share
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.state.step += 1
        self.state.batch += 1
        self.state.tokens += batch.size
        return float(mean.detach())

    @torch.no_grad()
    def validate(self, reader: ExampleReader, tokens: int) -> dict[str, float]:
        """Mean loss of the fully weighted tokens, by kind of example."""
        sums: dict[str, list[float]] = {}
        for kind, batch in validation_batches(reader, tokens):
            total, counted = self.loss(batch)
            entry = sums.setdefault(kind, [0.0, 0.0])
            entry[0] += float(total)
            entry[1] += counted
        return {str(kind): round(total / counted, 4) for kind, (total, counted) in sorted(sums.items()) if counted}

    def save(self, path: Path) -> None:
        """Whole state, in place of the last one only when it is complete."""
        temporary = path.with_suffix(".part")
        torch.save(
            {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "state": asdict(self.state)}, temporary
        )
        os.replace(temporary, path)

    def restore(self, path: Path) -> None:
        saved = torch.load(path, map_location=self.device)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.state = State(**saved["state"])


def fused() -> dict[str, bool]:
    """One pass over memory instead of ten, where this version of torch has it for every device."""
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    return {"fused": True} if (major, minor) >= (2, 4) else {}


def products(device: torch.device):
    """bfloat16, unless CONTINUO_FLOAT32 is set: a CPU without instructions for it only loses by it."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if os.environ.get("CONTINUO_FLOAT32") is None else nullcontext()


def shares(trainer: Trainer, options: argparse.Namespace) -> Iterator[float]:
    """The share of the full rate for each step to come: a short rise and a plateau, or a decline to nothing."""
    if options.decline:
        first = trainer.state.tokens
        while trainer.state.tokens < first + options.decline:
            yield max(0.0, 1 - (trainer.state.tokens - first) / options.decline)
        return
    while trainer.state.tokens < options.until:
        yield min(1.0, (trainer.state.step + 1) / options.rise)


class Journal:
    """What is told of a run: a line for every few steps and for every validation, on the terminal and in log.jsonl."""

    def __init__(self, path: Path, state: State) -> None:
        self._log = path.open("a")
        self._started, self._tokens_before = time.time(), state.tokens
        self._losses: list[float] = []
        self.validated_at: int | None = None

    def step(self, loss: float) -> None:
        self._losses.append(loss)

    def report(self, state: State, share: float) -> None:
        speed = (state.tokens - self._tokens_before) / (time.time() - self._started)
        loss = round(float(np.mean(self._losses)), 4)
        self._losses.clear()
        self._tell({**asdict(state), "loss": loss, "rate": share, "tokens_per_s": round(speed, 1)})

    def validated(self, state: State, valid: Mapping[str, float]) -> None:
        self.validated_at = state.step
        self._tell({"step": state.step, "tokens": state.tokens, "valid": valid})

    def _tell(self, told: Mapping[str, object]) -> None:
        line = json.dumps(told)
        print(line, flush=True)
        self._log.write(line + "\n")
        self._log.flush()


class Interruption:
    """Ctrl-C or SIGTERM: the step under way is finished, and what was learned is saved. A second one ends at once."""

    def __enter__(self) -> "Interruption":
        self.asked = False
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.asked = True
        print("stopping behind this step; once more stops at once and loses what was not saved", file=sys.stderr, flush=True)


def run(trainer: Trainer, options: argparse.Namespace, trunk: Path) -> None:
    train = ExampleReader(options.examples / "train")
    valid = ExampleReader(options.examples / "valid")
    name = f"{len(train)}:{int(train.lengths.sum())}"
    if trainer.state.data != name:
        trainer.state.data, trainer.state.batch = name, 0
    source = batches(train, options.batch, seed=options.seed, first=trainer.state.batch)
    journal, saved = Journal(options.out / "log.jsonl", trainer.state), time.time()

    def validate() -> None:
        if journal.validated_at != trainer.state.step:
            journal.validated(trainer.state, trainer.validate(valid, options.valid_tokens))

    if trainer.state.step == 0:
        validate()
    with Interruption() as interruption:
        for share in shares(trainer, options):
            journal.step(trainer.step(next(source), share))
            if trainer.state.step % options.report == 0:
                journal.report(trainer.state, share)
            if trainer.state.step % (options.report * options.validate_every) == 0:
                validate()
            if not options.decline and time.time() - saved > options.save_minutes * 60:
                trainer.save(trunk)
                saved = time.time()
            if interruption.asked:
                break
    if not options.decline:
        trainer.save(trunk)
    if interruption.asked:
        raise SystemExit("stopped; the same command goes on from here" if not options.decline else "stopped; a decline begins anew")
    validate()
    torch.save({"weights": trainer.model.export(), "step": trainer.state.step, "tokens": trainer.state.tokens}, options.out / "weights.pt")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training/run train", description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="work folder (default: %(default)s)")
    parser.add_argument("--examples", type=Path, help="folder with train/ and valid/ (default: WORK/examples)")
    parser.add_argument("--out", type=Path, help="checkpoint, log and weights.pt (default: WORK/run)")
    parser.add_argument("--base", type=Path, default=default_base(), help="GGUF to start from (default: %(default)s)")
    parser.add_argument("--until", type=int, default=2_000_000, help="total tokens of the trunk (default: %(default)s)")
    parser.add_argument("--decline", type=int, default=0, help="leave the trunk as it is and decline to zero over so many tokens")
    parser.add_argument("--batch", type=int, default=8192, help="tokens of a step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1.5e-4, help="learning rate (default: %(default)s)")
    parser.add_argument("--rise", type=int, default=30, help="steps until the full rate (default: %(default)s)")
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--attention-from", type=int, metavar="LAYER", help="only attention learns, from this layer on (default: all learn)")
    parser.add_argument("--train-embeddings", action="store_true", help="all rows of the embedding learn, not the control tokens alone")
    parser.add_argument("--rounded", action="store_true", help="use the embedding as Q5_0 will hold it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=int, default=10, help="steps between two lines of the log (default: %(default)s)")
    parser.add_argument("--validate-every", type=int, default=10, help="lines of the log between validations (default: %(default)s)")
    parser.add_argument("--valid-tokens", type=int, default=24_000, help="tokens per validation (default: %(default)s)")
    parser.add_argument("--save-minutes", type=float, default=10)
    options = parser.parse_args()
    options.examples = options.examples or options.work / "examples"
    options.out = options.out or options.work / "run"
    return options


def main() -> None:
    options = parse()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    trunk = options.out / "trunk.pt"
    trainer = Trainer(read_base(options.base), options)
    if trunk.exists():
        trainer.restore(trunk)
        print(f"going on from step {trainer.state.step}, {trainer.state.tokens} tokens", flush=True)
    if options.rounded:
        trainer.model.round_embedding()
    run(trainer, options, trunk)


if __name__ == "__main__":
    main()
