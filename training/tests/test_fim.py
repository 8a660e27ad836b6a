"""The fill-in-the-middle transformation: nothing of a document is lost, added or mistaken for a control token."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuo_training.fim import (
    ARRANGEMENTS, BEHIND_WEIGHT, CONTEXT_WEIGHT, MIDDLE_WEIGHT, Cut, arranged, cut, cut_without_suffix, pieces, repository, tokens_of,
)  # fmt: skip

CONTROL = {name: number for number, name in enumerate(("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|repo_name|>", "<|file_sep|>"))}


class Characters:
    """A tokenizer with one token a character: what the ids say can be read back."""

    control = CONTROL

    def encode(self, text: str) -> list[int]:
        return [100 + ord(character) for character in text]

    def encode_joined(self, first: str, second: str) -> tuple[list[int], int]:
        return self.encode(first + second), len(first)


def decode(ids: list[int]) -> str:
    names = {number: name for name, number in CONTROL.items()}
    return "".join(names.get(each) or chr(each - 100) for each in ids)


lines = st.lists(st.sampled_from(["def f(a):", "    return a", "    if a:", "        b(", "        )", "", "中文 = 1", "\tx", "}", "ab ab"]), min_size=1, max_size=40)
documents = st.one_of(lines.map("\n".join).filter(bool), st.text(alphabet="ab \n({})中", min_size=1, max_size=300))
seeds = st.integers(0, 2**32)


@given(documents, seeds)
def test_the_parts_of_a_cut_joined_are_a_window_of_the_document(text: str, seed: int) -> None:
    found = cut(text, Random(seed))

    assert found is None or found.prefix + found.middle + found.suffix in text


@given(documents, seeds)
def test_a_cut_has_something_to_write(text: str, seed: int) -> None:
    found = cut(text, Random(seed))

    assert found is None or found.middle.strip() != ""


@given(documents, seeds)
def test_a_cut_without_suffix_continues_its_prefix(text: str, seed: int) -> None:
    found = cut_without_suffix(text, Random(seed))

    assert found is None or (found.suffix == "" and found.prefix != "" and found.prefix + found.middle in text)


@given(documents, seeds)
def test_a_cut_without_suffix_ends_where_a_line_ends(text: str, seed: int) -> None:
    found = cut_without_suffix(text, Random(seed))

    assert found is None or any(
        text[at + len(found.prefix + found.middle) :].partition("\n")[0].strip() == ""
        for at in range(len(text))
        if text.startswith(found.prefix + found.middle, at)
    )


@given(documents, seeds)
def test_the_same_seed_cuts_the_same(text: str, seed: int) -> None:
    assert cut(text, Random(seed)) == cut(text, Random(seed))


def test_every_way_of_choosing_a_middle_occurs() -> None:
    text = "def area(width, height):\n    if width < 0:\n        raise ValueError(width)\n    return width * height\n" * 8
    found = [cut(text, Random(seed)) for seed in range(200)]

    assert {each.kind for each in found if each is not None} == {"line", "lines", "span", "word"}


def test_a_cursor_in_a_word_stands_between_two_characters_of_it() -> None:
    text = "alpha = beta + gamma\n" * 20
    found = [each for seed in range(200) if (each := cut(text, Random(seed))) is not None and each.kind == "word"]

    assert found
    assert all((each.prefix[-1:] + each.middle[0]).isalnum() for each in found)


@pytest.mark.parametrize(
    ("arrangement", "expected"),
    [
        ("psm", "<|fim_prefix|>a\n\n  b<|fim_suffix|>S<|fim_middle|>M<|endoftext|>"),
        ("psm-line", "<|fim_prefix|>a<|fim_suffix|>S<|fim_middle|>\n\n  bM<|endoftext|>"),
        ("spm", "<|fim_prefix|><|fim_suffix|>S<|fim_middle|>a\n\n  bM<|endoftext|>"),
    ],
)
@pytest.mark.parametrize("is_healed", [True, False])
def test_the_parts_stand_where_their_arrangement_has_them(arrangement: str, expected: str, is_healed: bool) -> None:
    ids, _ = tokens_of(pieces(arranged(Cut("a\n\n  b", "M", "S", "line"), arrangement), is_healed), Characters())

    assert decode(ids) == expected


@given(documents, st.sampled_from(ARRANGEMENTS))
def test_arranging_moves_the_end_of_the_prefix_and_no_character_is_lost(prefix: str, arrangement: str) -> None:
    found = arranged(Cut(prefix, "M", "S", "line"), arrangement)

    assert found.prefix + found.behind == prefix
    assert {"psm": found.behind, "spm": found.prefix}.get(arrangement, "") == ""
    assert arrangement != "psm-line" or "\n" not in found.behind.lstrip()
    assert arrangement != "psm-line" or found.prefix == found.prefix.rstrip(" \t\r\n")


@pytest.mark.parametrize("is_healed", [True, False])
def test_the_loss_is_on_the_middle_and_its_end_fully_and_on_the_rest_a_little(is_healed: bool) -> None:
    ids, weights = tokens_of(pieces(Cut("pp", "mmm", "s", "line", "bb"), is_healed), Characters())

    told = {(decode([each]), weight) for each, weight in zip(ids, weights, strict=True)}
    assert told == {
        ("p", CONTEXT_WEIGHT), ("s", CONTEXT_WEIGHT), ("b", BEHIND_WEIGHT), ("m", MIDDLE_WEIGHT), ("<|endoftext|>", MIDDLE_WEIGHT),
        ("<|fim_prefix|>", 0), ("<|fim_suffix|>", 0), ("<|fim_middle|>", 0),
    }  # fmt: skip


def test_the_repository_form_is_the_one_of_the_documentation() -> None:
    example = repository("shop", [("a.py", "one"), ("b.py", "two\n")], "c.py", pieces(Cut("P", "M", "S", "line")))

    assert decode(tokens_of(example, Characters())[0]) == (
        "<|repo_name|>shop\n<|file_sep|>a.py\none\n<|file_sep|>b.py\ntwo\n\n<|file_sep|>c.py\n"
        "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>M<|endoftext|>"
    )


@given(st.sampled_from(list(CONTROL)), st.sampled_from(ARRANGEMENTS))
def test_text_that_looks_like_a_marker_stays_text(marker: str, arrangement: str) -> None:
    ids, _ = tokens_of(pieces(arranged(Cut(f"a{marker}", f"{marker}b", f"{marker}", "line"), arrangement)), Characters())

    assert sorted(each for each in ids if each < 100) == sorted(CONTROL[name] for name in list(CONTROL)[:4])
