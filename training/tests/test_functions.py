"""Functions are found whole, and a cut that leaves a body to be written shows the rest of the function as it stands."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuo_training.functions import cut_body, random_function

PYTHON = '''import os


@cached
def area(width: int,
         height: int) -> int:
    """What a rectangle covers.

    Both sides count.
    """

    if width < 0:
        raise ValueError(width)
    return width * height


print(area(1, 2))
'''

TYPESCRIPT = """/** Twice as much. */
export function twice(value: number): number {
  const all = value + value;
  return all;
}

twice(2);
"""

lines = st.lists(
    st.sampled_from(["def f(a):", "  '''A.'''", "  '''", "    return a", "    b(", "  )", "", "function g() {", "  中文 = 1", "}", "\tx", "# no"]),
    min_size=1,
    max_size=30,
)
documents = lines.map("\n".join).filter(bool)
seeds = st.integers(0, 2**32)


@given(documents, seeds)
def test_the_places_of_a_function_follow_each_other(text: str, seed: int) -> None:
    found = random_function(text, Random(seed))

    assert found is None or 0 <= found.start < found.signature_end <= found.description_end < found.body < found.end <= len(text)


@given(documents, seeds)
def test_the_same_seed_cuts_the_same(text: str, seed: int) -> None:
    assert cut_body(text, Random(seed), ["说明"]) == cut_body(text, Random(seed), ["说明"])


def cuts(text: str, *, other_language: tuple[str, ...] = ()):
    found = [cut_body(text, Random(seed), other_language) for seed in range(400)]
    return [each for each in found if each is not None]


@pytest.mark.parametrize("text", [PYTHON, TYPESCRIPT])
def test_where_nothing_is_said_otherwise_the_parts_are_a_window(text: str) -> None:
    as_they_stand = [each for each in cuts(text) if each.prefix + each.middle + each.suffix in text]

    assert len(as_they_stand) > len(cuts(text)) * 0.7
    assert all(without_space(each.prefix + each.middle + each.suffix) in without_space(text) for each in cuts(text))


def test_the_middle_is_the_body_or_all_but_what_it_returns() -> None:
    body = "if width < 0:\n        raise ValueError(width)\n    return width * height"

    assert {each.middle.strip() for each in cuts(PYTHON)} == {body, body.removesuffix("return width * height").strip()}


def test_a_body_without_its_last_line_is_followed_by_that_line_alone() -> None:
    shortened = [each for each in cuts(PYTHON) if "return" not in each.middle]

    assert shortened
    assert {each.suffix for each in shortened} == {"return width * height"}


def test_signature_and_description_stand_before_the_middle() -> None:
    for each in cuts(PYTHON):
        assert each.prefix.rstrip().endswith('"""')
        assert "@cached\ndef area(width: int,\n         height: int) -> int:\n" in each.prefix


def test_with_nothing_behind_it_the_middle_closes_what_the_signature_opened() -> None:
    found = [each for each in cuts(TYPESCRIPT) if each.suffix == ""]

    assert found
    assert all(each.middle.endswith("return all;\n}") for each in found)


def test_a_description_is_sometimes_pasted_at_the_margin() -> None:
    assert any('int:\n"""What a rectangle covers.' in each.prefix for each in cuts(PYTHON))


def test_a_description_is_sometimes_in_another_language() -> None:
    found = [each for each in cuts(PYTHON, other_language=("计算面积", "返回整数")) if "计算面积" in each.prefix]

    assert found
    assert all("covers" not in each.prefix and each.prefix.count('"""') == 2 for each in found)


def test_a_description_ends_with_the_quotes_it_began_with() -> None:
    text = 'def f(a):\n    """Not \'\'\'\n    this.\n    """\n    b = a\n    return b\n'

    assert cuts(text)
    assert all(each.prefix.rstrip().endswith('"""') for each in cuts(text))


def test_a_function_that_goes_on_for_long_is_not_cut() -> None:
    text = "def long():\n" + "    step()\n" * 40

    assert cuts(text) == []


def without_space(text: str) -> str:
    return "".join(text.split())
