"""Training on a base that is small enough to train in a test."""

from __future__ import annotations

import json
import signal
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_base import random_weights, write_tiny_base

from continuo_training import train
from continuo_training.base import read_base
from continuo_training.dataset import Branch, ExampleReader, ExampleWriter
from continuo_training.model import Llama
from continuo_training.rounding import q5_0

SIZE = ["--batch", "256", "--report", "1", "--valid-tokens", "200", "--rise", "1", "--rate", "0.01", "--threads", "1"]

OPTIONS = Namespace(train_embeddings=False, attention_from=None, rate=0.01, weight_decay=0.0)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A base, and examples of a text that repeats itself."""
    write_tiny_base(tmp_path / "base.gguf")
    for split in ("train", "valid"):
        with ExampleWriter(tmp_path / "examples" / split) as writer:
            for start in range(60):
                tokens = [8, *((start + step) % 20 + 30 for step in range(20)), 10, 40, 41, 42, 0]
                writer.add(tokens, [0, *[20] * 21, *[100] * 4], "line")
    return tmp_path


def run(work: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    arguments = ["train", "--base", str(work / "base.gguf"), "--work", str(work), *SIZE, *options]
    monkeypatch.setattr(sys, "argv", arguments)
    train.main()


def logged(work: Path, name: str) -> list:
    """One entry of the log's lines, where they have it."""
    lines = (work / "run" / "log.jsonl").read_text().splitlines()
    return [line[name] for line in map(json.loads, lines) if name in line]


def test_the_loss_falls_and_the_weights_have_the_names_of_a_gguf(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(work, monkeypatch, "--until", "6000")

    losses = logged(work, "loss")
    assert losses[-1] < losses[0] / 2
    weights = torch.load(work / "run" / "weights.pt")["weights"]
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {
        name: each.shape for name, each in random_weights(1).items()
    }


def test_what_is_validated_is_logged_before_the_first_update_and_behind_the_last(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(work, monkeypatch, "--until", "1500")
    before, after = logged(work, "valid")
    run(work, monkeypatch, "--until", "2000")

    assert after["line"] < before["line"]
    assert logged(work, "valid")[:-1] == [before, after]


def test_a_stopped_run_goes_on_where_it_was(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(work, monkeypatch, "--until", "4000")
    at_once = torch.load(work / "run" / "weights.pt")
    (work / "run").rename(work / "at-once")
    run(work, monkeypatch, "--until", "2000")
    run(work, monkeypatch, "--until", "4000")
    in_two = torch.load(work / "run" / "weights.pt")

    assert in_two["step"] == at_once["step"]
    for name, tensor in at_once["weights"].items():
        torch.testing.assert_close(in_two["weights"][name], tensor, rtol=1e-3, atol=1e-3)


def test_a_run_told_to_stop_saves_what_it_learned(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = train.Trainer.step

    def interrupted(trainer: train.Trainer, *arguments) -> float:
        loss = step(trainer, *arguments)
        if trainer.state.step == 3:
            signal.raise_signal(signal.SIGTERM)
        return loss

    monkeypatch.setattr(train.Trainer, "step", interrupted)
    with pytest.raises(SystemExit, match="goes on from here"):
        run(work, monkeypatch, "--until", "4000")

    assert torch.load(work / "run" / "trunk.pt")["state"]["step"] == 3
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_decline_leaves_the_trunk_as_it_is(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(work, monkeypatch, "--until", "2000")
    trunk = (work / "run" / "trunk.pt").read_bytes()

    run(work, monkeypatch, "--decline", "2000")

    assert (work / "run" / "trunk.pt").read_bytes() == trunk
    assert logged(work, "rate")[-1] < 0.2
    assert logged(work, "tokens")[-1] >= 4000


def test_attention_learns_alone_and_markers_at_every_depth(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(work, monkeypatch, "--until", "1000", "--attention-from", "1")

    before = read_base(work / "base.gguf").weights()
    after = torch.load(work / "run" / "weights.pt")["weights"]
    changed = {name for name, tensor in after.items() if not np.array_equal(tensor.numpy(), before[name])}
    assert {name for name in changed if "norm" not in name} == {
        "token_embd.weight", *(f"blk.1.attn_{part}.weight" for part in ("q", "k", "v", "output")),
    }  # fmt: skip
    # Of the embedding only the control tokens learn.
    embedding = after["token_embd.weight"].numpy() != before["token_embd.weight"]
    assert embedding[:17].any() and not embedding[17:].any()


def test_a_marker_learns_from_what_stands_behind_it(work: Path) -> None:
    """Not only as a possible next token: else all markers would stay alike."""
    base = read_base(work / "base.gguf")
    trainer = train.Trainer(base, OPTIONS)
    tokens = torch.tensor([[base.control["<|fim_middle|>"], 100, 101, 102]])

    trainer.model.hidden(tokens).square().sum().backward()

    gradient = trainer.model.control.grad
    assert gradient is not None and gradient[base.control["<|fim_middle|>"]].abs().max() > 0


def test_what_is_loaded_is_exported(tmp_path: Path) -> None:
    weights = {name: torch.from_numpy(tensor) for name, tensor in random_weights(4).items()}
    model = Llama(write_tiny_base(tmp_path / "base.gguf").shape, 17, train_embeddings=True)

    model.load(weights)

    exported = model.export()
    assert exported.keys() == weights.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(exported[name], tensor)


def test_trees_are_validated_as_their_sequences_are(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTINUO_FLOAT32", "1")
    trainer = train.Trainer(read_base(work / "base.gguf"), OPTIONS)
    random = np.random.default_rng(1)
    with ExampleWriter(work / "trees") as writer:
        for _ in range(6):
            weights = [20] * 20 + ([0, *[100] * 9]) * 2
            writer.add(random.integers(17, 200, 40).tolist(), weights, "any", [Branch(20, 20), Branch(30, 7)])
    trees = ExampleReader(work / "trees")
    with ExampleWriter(work / "flat") as writer:
        for index in range(len(trees)):
            for tokens, weights in trees.sequences(index):
                writer.add(tokens, weights, "any")

    together, alone = (trainer.validate(reader, 10**6) for reader in (trees, ExampleReader(work / "flat")))

    assert together == {"any": pytest.approx(alone["any"], abs=2e-4)}


def test_an_embedding_trained_as_rounded_loses_nothing_by_rounding(tmp_path: Path) -> None:
    """Control tokens, which learn, and words, which do not."""
    shape = write_tiny_base(tmp_path / "base.gguf").shape
    weights = {name: torch.from_numpy(tensor) for name, tensor in random_weights(4).items()}
    tokens = torch.tensor([[3, *range(20, 44)]])
    model, exact = Llama(shape, 17, train_embeddings=False), Llama(shape, 17, train_embeddings=False)
    model.load(weights)
    model.round_embedding()
    exact.load(weights | {"token_embd.weight": q5_0(weights["token_embd.weight"])})

    with torch.no_grad():
        torch.testing.assert_close(model.logits(model.hidden(tokens)), exact.logits(exact.hidden(tokens)), rtol=1e-5, atol=1e-5)
