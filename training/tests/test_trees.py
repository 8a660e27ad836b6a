"""Trees: what is computed together is what would have been computed one by one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from tiny_base import random_weights, write_tiny_base

from continuo_training.batches import batches, validation_batches
from continuo_training.dataset import Branch, ExampleReader, ExampleWriter
from continuo_training.examples import TREE_ARRANGEMENTS
from continuo_training.fim import Cut, Piece, arranged, pieces, repository, tokens_of
from continuo_training.model import Llama, visible_in_tree
from continuo_training.sample import sample
from continuo_training.tokenizer import Tokenizer
from continuo_training.trees import FEWEST, grow, tree, tree_without_suffix

CODE = "def area(width, height):\n    if width < 0:\n        raise ValueError(width)\n\n    return width * height\n"

#: Merges of the tiny vocabulary meet here, so that cursors cut tokens.
lines = some.lists(some.text(alphabet="abcde _(", min_size=1, max_size=20), min_size=1, max_size=30)
documents = lines.map("\n".join).filter(lambda text: text.strip() != "")
seeds = some.integers(0, 2**32)
arrangements = some.sampled_from(list(TREE_ARRANGEMENTS))
heads = some.sampled_from([[], repository("shop", [("a.py", "abc")], "b.py", [])])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(write_tiny_base(tmp_path_factory.mktemp("base") / "base.gguf"))


Grown = tuple[list[Cut], tuple[list[int], list[int], list[Branch]]]


def grown(
    text: str, seed: int, arrangement: str, tokenizer: Tokenizer, head: list[Piece], is_healed: bool = True
) -> Grown | None:
    """Arranged cuts, and the tree of them."""
    random = Random(seed)
    cuts = tree_without_suffix(text, random) if random.random() < 0.3 else tree(text, random)
    if cuts is None:
        return None
    all_arranged = [arranged(cut, arrangement) for cut in cuts]
    return all_arranged, grow(all_arranged, head, tokenizer, is_healed)


def branches_of(tokens: list[int], branches: list[Branch]) -> list[tuple[Branch, int]]:
    """Each with where it ends."""
    return list(zip(branches, [branch.first for branch in branches[1:]] + [len(tokens)], strict=True))


@given(documents, seeds, arrangements, heads, some.booleans())
def test_each_branch_behind_what_it_sees_is_the_example_of_its_cut(
    tokenizer: Tokenizer, text: str, seed: int, arrangement: str, head: list[Piece], is_healed: bool
) -> None:
    found = grown(text, seed, arrangement, tokenizer, head, is_healed)
    if found is None:
        return
    cuts, (tokens, weights, branches) = found

    for cut, (branch, end) in zip(cuts, branches_of(tokens, branches), strict=True):
        expected, expected_weights = tokens_of([*head, *pieces(cut, is_healed)], tokenizer)
        assert tokens[: branch.sees] + tokens[branch.first : end] == expected
        # Weights too, but for the end of a prefix that the trunk spells otherwise.
        own = weights[branch.first : end]
        tail = tokens[branch.first : end].index(tokenizer.control["<|fim_suffix|>"])
        assert weights[: branch.sees] == expected_weights[: branch.sees]
        assert own[:tail] == [0] * tail
        assert own[tail:] == expected_weights[branch.sees + tail :]


@given(seeds)
def test_the_cuts_of_a_tree_are_windows_of_the_document_with_something_to_write(seed: int) -> None:
    text = CODE * 12
    cuts = tree(text, Random(seed))

    if cuts is not None:
        assert len({cut.prefix for cut in cuts}) == len(cuts) >= FEWEST
        assert all(cut.middle.strip() != "" and cut.prefix + cut.middle + cut.suffix in text for cut in cuts)
        furthest = max((cut.prefix for cut in cuts), key=len)
        assert all(furthest.startswith(cut.prefix) for cut in cuts)


@given(documents, seeds)
def test_without_a_suffix_a_branch_ends_where_a_line_ends(text: str, seed: int) -> None:
    for cut in tree_without_suffix(text, Random(seed)) or []:
        until = cut.prefix + cut.middle
        assert cut.suffix == "" and cut.prefix != ""
        assert any(text[at + len(until) :].partition("\n")[0].strip() == "" for at in range(len(text)) if text.startswith(until, at))


def test_cursors_cut_tokens_of_the_trunk_and_long_suffixes_occur(tokenizer: Tokenizer) -> None:
    cuts = [cut for seed in range(300) for cut in tree("abc de abc_abc\n" * 100, Random(seed)) or []]
    found = grown("abc de abc_abc\n" * 100, 3, "psm", tokenizer, [])

    assert max(len(cut.suffix) for cut in cuts) > 400 and min(len(cut.suffix) for cut in cuts) < 15
    assert found is not None
    first = {branch.first: found[1][0][branch.first] for branch in found[1][2]}
    assert any(token != tokenizer.control["<|fim_suffix|>"] for token in first.values())


def test_the_same_seed_grows_the_same(tokenizer: Tokenizer) -> None:
    for seed in range(20):
        assert grown(CODE * 12, seed, "psm", tokenizer, []) == grown(CODE * 12, seed, "psm", tokenizer, [])


# --- on disk and in batches ---

Example = tuple[list[int], list[int], list[Branch]]


@some.composite
def any_trees(draw: some.DrawFn) -> Example:
    """Any trunk with any branches, or none."""
    token, weight = some.integers(1, 300), some.sampled_from([0, 20, 100])
    trunk = draw(some.lists(some.tuples(token, weight), min_size=2, max_size=20))
    all_pairs, branches = list(trunk), []
    for _ in range(draw(some.integers(0, 4))):
        branches.append(Branch(len(all_pairs), draw(some.integers(1, len(trunk)))))
        all_pairs += [(draw(token), 0), *draw(some.lists(some.tuples(token, weight), max_size=10))]
    return [token for token, _ in all_pairs], [weight for _, weight in all_pairs], branches


def written(folder: Path, examples: list[Example]) -> ExampleReader:
    with ExampleWriter(folder) as writer:
        for tokens, weights, branches in examples:
            writer.add(tokens, weights, "any", branches)
    return ExampleReader(folder)


@given(some.lists(any_trees(), min_size=1, max_size=8))
def test_branches_written_are_read(tmp_path_factory: pytest.TempPathFactory, examples: list[Example]) -> None:
    reader = written(tmp_path_factory.mktemp("trees"), examples)

    assert [reader.branches(index) for index in range(len(reader))] == [branches for _, _, branches in examples]


@pytest.mark.parametrize(
    ("branches", "weight", "message"),
    [
        ([Branch(4, 5)], 0, "sees 1 to 4"),
        ([Branch(4, 0)], 0, "sees 1 to 4"),
        ([Branch(4, 2), Branch(4, 2)], 0, "with tokens"),
        ([Branch(6, 2)], 0, "with tokens"),
        ([Branch(4, 2)], 100, "has the weight 100"),
    ],
)
def test_a_branch_that_cannot_be_is_refused(tmp_path: Path, branches: list[Branch], weight: int, message: str) -> None:
    with ExampleWriter(tmp_path) as writer, pytest.raises(ValueError, match=message):
        writer.add([1] * 6, [weight] * 6, "any", branches)


def asked_in(sequence: np.ndarray, weights: np.ndarray) -> list[tuple]:
    """(what stands before, target) of every fully weighted token of a flat sequence."""
    return [(tuple(sequence[:place]), sequence[place]) for place in range(1, len(sequence)) if weights[place] == 100]


@given(some.lists(any_trees(), min_size=1, max_size=8))
def test_a_batch_asks_for_what_the_flat_sequences_ask_for(tmp_path_factory: pytest.TempPathFactory, examples: list[Example]) -> None:
    reader = written(tmp_path_factory.mktemp("trees"), examples)
    expected: Counter[tuple] = Counter()
    for index, (tokens, weights, branches) in enumerate(examples):
        # A trunk asks once, however many branches see it.
        end = branches[0].first if branches else len(tokens)
        expected.update(asked_in(np.array(tokens[:end]), np.array(weights[:end])))
        for (ids, own), branch in zip(reader.sequences(index), branches):
            own = np.where(np.arange(len(own)) < branch.sees, 0, own)
            expected.update(asked_in(ids, own))

    seen: Counter[tuple] = Counter()
    for _, batch in validation_batches(reader, 10**6):
        visible = visible_in_tree(torch.from_numpy(batch.first), torch.from_numpy(batch.sees)).numpy()
        for row, place in zip(*np.nonzero(batch.counted)):
            before = batch.tokens[row][visible[row, place]]
            assert batch.positions[row, place] == len(before) - 1
            seen[(tuple(before), batch.targets[row, place])] += 1

    assert seen == expected


def test_plain_examples_are_batched_without_branches(tmp_path: Path) -> None:
    batch = next(batches(written(tmp_path, [([5] * 9, [0] * 9, []), ([6] * 4, [0] * 4, [])]), 100, seed=1))

    assert not batch.first.any() and not batch.sees.any()
    assert (batch.positions == np.arange(9)).all()


def test_a_sample_takes_branches_as_sequences_of_their_own(tmp_path: Path) -> None:
    tree = ([1, 2, 3, 10, 11, 10, 12], [0, 20, 20, 0, 100, 0, 100], [Branch(3, 3), Branch(5, 2)])

    taken = sample(written(tmp_path, [tree] * 40), 100, seed=1)

    assert {tuple(ids) for ids in taken.tokens} == {(1, 2, 3, 10, 11), (1, 2, 10, 12)}
    assert all(asked.sum() == 1 and asked[-1] for asked in taken.asked)


# --- in the model ---


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Llama:
    llama = Llama(write_tiny_base(tmp_path_factory.mktemp("base") / "base.gguf").shape, 17, train_embeddings=True)
    llama.load({name: torch.from_numpy(weight) for name, weight in random_weights(2).items()})
    return llama


def losses(hidden: torch.Tensor) -> torch.Tensor:
    """Any function of the states that tells them apart."""
    return (hidden * torch.linspace(-1, 1, hidden.shape[-1])).sum(-1).sin()


def test_the_states_of_a_tree_and_its_gradients_are_those_of_its_sequences(model: Llama, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    examples: list[Example] = []
    for branches in ([Branch(40, 40), Branch(52, 17), Branch(60, 1)], [Branch(30, 12)], []):
        ids = random.integers(0, 200, 70 if branches else 20).tolist()
        starts = {branch.first for branch in branches}
        examples.append((ids, [0 if place in starts else 100 for place in range(len(ids))], branches))
    reader = written(tmp_path, examples)
    [batch] = [batch for _, batch in validation_batches(reader, 10**6)]
    rows = [next(row for row in range(3) if batch.tokens[row, : len(ids)].tolist() == ids) for ids, _, _ in examples]
    first, sees = torch.from_numpy(batch.first), torch.from_numpy(batch.sees)

    hidden = model.hidden(torch.from_numpy(batch.tokens), torch.from_numpy(batch.positions), visible_in_tree(first, sees))
    counted = sum(losses(hidden[row, : len(ids)]).sum() for row, (ids, _, _) in zip(rows, examples))
    together = gradients(model, counted)
    alone_sum = torch.zeros(())
    for index, (row, (ids, _, branches)) in enumerate(zip(rows, examples)):
        if branches:
            trunk = branches[0].first
            alone = model.hidden(torch.tensor([ids[:trunk]]))[0]
            torch.testing.assert_close(hidden[row, :trunk], alone, rtol=1e-4, atol=1e-4)
            alone_sum = alone_sum + losses(alone).sum()
        parts = [(branch.first, branch.sees) for branch in branches] or [(0, 0)]
        for (start, sees_of), (sequence, _) in zip(parts, reader.sequences(index), strict=True):
            alone = model.hidden(torch.from_numpy(sequence.astype(np.int64))[None])[0, sees_of:]
            torch.testing.assert_close(hidden[row, start : start + len(alone)], alone, rtol=1e-4, atol=1e-4)
            alone_sum = alone_sum + losses(alone).sum()

    for name, gradient in gradients(model, alone_sum).items():
        torch.testing.assert_close(together[name], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()), msg=name)


def gradients(model: Llama, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
