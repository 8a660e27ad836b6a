"""How the measurements of the quantised files are put together."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from continuo_training.compare import Outcome, perplexities, table
from continuo_training.dataset import ExampleReader, ExampleWriter
from continuo_training.sample import Sample, sample


def test_a_perplexity_counts_only_the_tokens_that_are_asked_for() -> None:
    half, quarter = math.log(0.5), math.log(0.25)
    examples = Sample(
        tokens=[np.array([7, 8, 9]), np.array([7, 8, 9]), np.array([1, 2])],
        asked=[np.array([True, False, True]), np.array([False, True, True]), np.array([False, True])],
        kinds=["line-psm", "word-spm", "chat-code"],
    )

    found = perplexities([[-100.0, half], [half, half], [quarter]], examples)

    assert found == {"chat": pytest.approx(4), "infill": pytest.approx(2)}


def test_a_sample_has_whole_examples_of_moderate_length_and_about_as_many_tokens(tmp_path: Path) -> None:
    with ExampleWriter(tmp_path) as writer:
        for length in [5000, *[40] * 100]:
            writer.add(range(length), [0] * (length - 1) + [100], "line-psm")

    taken = sample(ExampleReader(tmp_path), 1000, seed=1)

    assert [len(ids) for ids in taken.tokens] == [40] * 25
    assert all(asked.sum() == 1 and asked[-1] for asked in taken.asked)
    again = sample(ExampleReader(tmp_path), 1000, seed=1)
    assert all((a == b).all() for a, b in zip(taken.tokens, again.tokens, strict=True))


def test_the_table_says_which_files_are_too_large_to_ship() -> None:
    perplexity, speed = {"chat": 5.0, "infill": 2.5}, {"prefill": 1000.4, "decode": 80.0}

    lines = table([Outcome("q8_0", 144_000_000, perplexity, speed), Outcome("q5_0", 94_000_000, perplexity, speed)]).splitlines()

    assert lines[0].startswith("| Recipe | Bytes | Perplexity, chat | Perplexity, infill |")
    assert lines[2] == "| q8_0 | 144,000,000 (too many) | 5.000 | 2.500 | 1000 | 80 |"
    assert lines[3] == "| q5_0 | 94,000,000 | 5.000 | 2.500 | 1000 | 80 |"
