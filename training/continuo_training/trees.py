"""Trees: cuts whose examples begin alike share that beginning, so that fewer tokens are read for each that is learned.

The trunk is the example of the furthest cursor as far as its prefix. Every cut becomes a branch of it: what remains of the
cut's own example behind the tokens that it has in common with the trunk. Computed with each branch seeing only those tokens,
at the positions that follow them, a tree is worth exactly what its examples are worth one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import takewhile
from random import Random

from .dataset import Branch
from .fim import (
    MAX_MIDDLE, Cut, Encoder, Piece, characters_per_token, pieces, random_kind, snap, span_of, span_without_suffix, tokens_of, window_length,
)  # fmt: skip

#: Branches of a tree, at least; and how many are looked for, from and to.
FEWEST, WANTED = 3, (6, 10)

#: The pieces of an example that follow the prefix.
_BEHIND_PREFIX = 2

# --- cuts that share a beginning ---


def tree(text: str, random: Random) -> list[Cut] | None:
    """Cuts for `grow`; None when the place chosen has nothing to offer."""
    per_token = characters_per_token(text)
    return _in_one_window(
        text, random, lambda part: _span_of_a_kind(part, random), lambda: round(_suffix_tokens(random) * per_token)
    )


def tree_without_suffix(text: str, random: Random) -> list[Cut] | None:
    """Cuts for `grow`, each to the end of its line or block, with nothing said about what follows."""
    return _in_one_window(text, random, lambda part: _span_to_an_end(part, random), lambda: 0)


def _in_one_window(
    text: str, random: Random, span: Callable[[str], tuple[int, int, str] | None], suffix_length: Callable[[], int]
) -> list[Cut] | None:
    """Cuts that have nothing in common but where their window begins. `span` gives start, end and kind of a middle."""
    length = window_length(text, random)
    first = snap(text, random.randrange(max(1, len(text) - length)), random)
    # Middles may go on behind the window.
    shown = text[first : first + length + MAX_MIDDLE // 2]
    # A cursor with hardly anything before it is rare where people type.
    earliest = round(random.uniform(0, 0.5) * length)
    found: dict[int, Cut] = {}
    wanted = random.randint(*WANTED)
    for _ in range(3 * wanted):
        chosen = span(shown)
        if chosen is None or not earliest <= chosen[0] <= length:
            continue
        start, end, kind = chosen
        # Whether a block ends where what is shown ends, nothing says.
        if end == len(shown) and first + end < len(text):
            continue
        found[start] = Cut(shown[:start], shown[start:end], text[first + end : first + end + suffix_length()], kind)
        if len(found) == wanted:
            break
    return [found[start] for start in sorted(found)] if len(found) >= FEWEST else None


def _span_of_a_kind(text: str, random: Random) -> tuple[int, int, str] | None:
    kind = random_kind(random)
    found = (span_of(kind, text, random) for _ in range(3))
    return next(((*span, kind) for span in found if span is not None), None)


def _span_to_an_end(text: str, random: Random) -> tuple[int, int, str] | None:
    span = span_without_suffix(text, random)
    return None if span is None else (*span, "end")


def _suffix_tokens(random: Random) -> float:
    """Of a branch's own suffix: mostly short, as every branch pays for its own; single examples have the long ones."""
    low, high = (40, 200) if random.random() < 0.15 else (3, 60)
    return math.exp(random.uniform(math.log(low), math.log(high)))


# --- tokens ---


def grow(cuts: Sequence[Cut], head: Sequence[Piece], encoder: Encoder, is_healed: bool = True) -> tuple[list[int], list[int], list[Branch]]:
    """(ids, weights, branches) of arranged cuts in order "psm", whose prefixes all begin the longest one.

    `head` stands before all of them. Where a cursor cuts a token of the trunk, the tokens of the prefix end differently from
    those of the trunk: its branch begins with them.
    """
    furthest = max(cuts, key=lambda each: len(each.prefix))
    ids, weights = tokens_of([*head, *pieces(furthest)[:_BEHIND_PREFIX]], encoder)
    text = encoder.encode(furthest.prefix)
    begun = len(ids) - len(text)
    branches: list[Branch] = []
    for cut in cuts:
        prefix = encoder.encode(cut.prefix)
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prefix, text)))
        rest, rest_weights = tokens_of(pieces(cut, is_healed)[_BEHIND_PREFIX:], encoder)
        branches.append(Branch(len(ids), begun + common))
        ids += prefix[common:] + rest
        weights += [0] * (len(prefix) - common) + rest_weights
    return ids, weights, branches
