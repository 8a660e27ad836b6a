"""Examples on disk, and what a step sees of them."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from continuo_training.batches import batches, validation_batches
from continuo_training.dataset import ExampleReader, ExampleWriter

examples = some.lists(
    some.tuples(some.lists(some.tuples(some.integers(1, 65535), some.integers(0, 100)), min_size=2, max_size=40), some.sampled_from("abc")),
    min_size=1,
    max_size=30,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> ExampleReader:
    random = np.random.default_rng(5)
    folder = tmp_path_factory.mktemp("examples")
    with ExampleWriter(folder) as writer:
        for number in range(3000):
            length = int(random.integers(2, 60))
            writer.add([number + 1] * length, [0, *[50] * (length - 1)], "even" if number % 2 == 0 else "odd")
    return ExampleReader(folder)


@given(examples)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, given: list) -> None:
    folder = tmp_path_factory.mktemp("written")
    with ExampleWriter(folder) as writer:
        for pairs, kind in given:
            writer.add([token for token, _ in pairs], [weight for _, weight in pairs], kind)

    reader = ExampleReader(folder)

    read = [(list(zip(tokens.tolist(), weights.tolist())), kind) for tokens, weights, kind in (reader[index] for index in range(len(reader)))]
    assert read == given


def test_an_example_without_a_weight_for_each_token_is_refused(tmp_path: Path) -> None:
    with ExampleWriter(tmp_path) as writer, pytest.raises(ValueError, match="3 tokens with 2 weights"):
        writer.add([1, 2, 3], [0, 1], "any")


def test_every_example_comes_once_before_any_comes_again(written: ExampleReader) -> None:
    seen: Counter[int] = Counter()
    source = batches(written, 512, seed=1)
    while seen.total() < len(written):
        seen.update(row[0] for row in next(source).tokens.tolist())

    assert seen.total() == len(seen) == len(written)


def test_batches_stay_in_their_size_and_are_hardly_padded(written: ExampleReader) -> None:
    taken = list(islice(batches(written, 512, seed=1), 100))

    assert max(batch.tokens.size for batch in taken) <= 512
    assert sum(batch.size for batch in taken) > 0.9 * sum(batch.tokens.size for batch in taken)


def test_a_run_that_goes_on_sees_what_it_would_have_seen(written: ExampleReader) -> None:
    whole = list(islice(batches(written, 512, seed=1), 400))
    rest = list(islice(batches(written, 512, seed=1, first=250), 150))

    for expected, batch in zip(whole[250:], rest):
        np.testing.assert_array_equal(batch.tokens, expected.tokens)
        np.testing.assert_array_equal(batch.counted, expected.counted)


def test_targets_are_the_next_tokens_and_padding_never_counts(written: ExampleReader) -> None:
    for batch in islice(batches(written, 512, seed=2), 50):
        np.testing.assert_array_equal(batch.targets[:, :-1], batch.tokens[:, 1:])
        assert not (batch.counted & (batch.targets == 0)).any()
        assert not batch.counted[:, -1].any()


def test_a_token_counts_as_often_as_its_weight_says(written: ExampleReader) -> None:
    taken = list(islice(batches(written, 512, seed=3), 150))
    could = sum(int((batch.tokens[:, 1:] > 0).sum()) for batch in taken)
    counted = sum(int(batch.counted.sum()) for batch in taken)

    assert 0.48 < counted / could < 0.52


def test_validation_sees_every_kind_and_counts_full_weight_only(written: ExampleReader) -> None:
    seen = list(validation_batches(written, 2000))

    assert {kind for kind, _ in seen} == {"even", "odd"}
    assert not any(batch.counted.any() for _, batch in seen)
    assert sum(batch.size for _, batch in seen) <= 2000
