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
    MAX_MIDDLE, Cut, Encoder, Piece, characters_per_token, is_useful, pieces, random_kind, snap, span_of, span_without_suffix, tokens_of, window,
    window_length,
)  # fmt: skip
from .places import IDENTIFIER, block_end, code_start, line_end, random_line, some_lines

#: Branches of a tree, at least; and how many are looked for, from and to. Those before one end soon repeat each other.
FEWEST, BEFORE_ONE_END, IN_ONE_WINDOW = 3, (4, 8), (6, 10)

#: Where the prefix stands among the pieces of an example.
_PREFIX_AT = {"psm": 1, "spm": 3}

#: Cursors before a common end, by the kind of that end: how often each way to choose one is tried.
CURSORS = {
    "line": {"inside": 4, "word": 4, "above": 3, "before": 1},
    "lines": {"above": 7, "inside": 2, "word": 1},
    "span": {"before": 6, "inside": 2, "word": 1, "above": 1},
    "word": {"word": 5, "inside": 3, "before": 2},
}


# --- cuts that share a beginning ---


def tree(text: str, random: Random, order: str) -> list[Cut] | None:
    """Cuts for `grow` in order "psm" or "spm"; None when the place chosen has nothing to offer."""
    if order == "spm":
        return _before_one_end(text, random)
    per_token = characters_per_token(text)
    return _in_one_window(
        text, random, lambda part: _span_of_a_kind(part, random), lambda: round(_suffix_tokens(random) * per_token)
    )


def tree_without_suffix(text: str, random: Random) -> list[Cut] | None:
    """Cuts for `grow` in either order, each to the end of its line or block, with nothing said about what follows."""
    return _in_one_window(text, random, lambda part: _span_to_an_end(part, random), lambda: 0)


def _before_one_end(text: str, random: Random) -> list[Cut] | None:
    """Several cursors before one end, so that they share their suffix."""
    kind = random_kind(random)
    end = _end(kind, text, random)
    if end is None:
        return None
    ways, wanted = CURSORS[kind], random.randint(*BEFORE_ONE_END)
    line = code_start(text, text.rfind("\n", 0, end) + 1)
    starts = {line} if kind in ("line", "lines") and is_useful(text[line:end]) else set()
    for way in random.choices(list(ways), weights=list(ways.values()), k=3 * wanted):
        start = _CURSOR_WAYS[way](text, end, random)
        if start is not None and is_useful(text[start:end]):
            starts.add(start)
        if len(starts) == wanted:
            break
    if len(starts) < FEWEST:
        return None
    first, last = window(text, min(starts), end, window_length(text, random), random)
    return [Cut(text[first:start], text[start:end], text[end:last], kind) for start in sorted(starts)]


def _end(kind: str, text: str, random: Random) -> int | None:
    first = random_line(text, random)
    if first is None:
        return None
    start, end = code_start(text, first), line_end(text, first)
    if kind == "line":
        return end
    if kind == "lines":
        return block_end(text, first) if random.random() < 0.5 else some_lines(text, first, random.randint(2, 8))
    if kind == "span":
        return random.randrange(start + 1, end + 1) if start < end else None
    names = list(IDENTIFIER.finditer(text, start, end))
    return random.choice(names).end() if names else None


def _inside(text: str, end: int, random: Random) -> int | None:
    """Any character of the line that ends there."""
    start = code_start(text, text.rfind("\n", 0, end) + 1)
    return random.randrange(start, end) if start < end else None


def _in_word(text: str, end: int, random: Random) -> int | None:
    """Inside a name of that line."""
    names = list(IDENTIFIER.finditer(text, text.rfind("\n", 0, end) + 1, end))
    if not names:
        return None
    name = random.choice(names)
    return random.randrange(name.start() + 1, name.end())


def _above(text: str, end: int, random: Random) -> int | None:
    """One to six lines further up: mostly where the line's code begins, else anywhere in it."""
    line = end
    for _ in range(random.randint(1, 6) + 1):
        line = text.rfind("\n", 0, line)
        if line < 0:
            break
    start, stop = code_start(text, line + 1), line_end(text, line + 1)
    if start >= stop or stop >= end:
        return None
    return start if random.random() < 0.7 else random.randrange(start, stop)


def _before(text: str, end: int, random: Random) -> int | None:
    """Up to 200 characters back, whatever stands there."""
    start = end - round(math.exp(random.uniform(math.log(5), math.log(200))))
    return start if start >= 0 else None


_CURSOR_WAYS: dict[str, Callable[[str, int, Random], int | None]] = {
    "inside": _inside,
    "word": _in_word,
    "above": _above,
    "before": _before,
}


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
    wanted = random.randint(*IN_ONE_WINDOW)
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


def grow(cuts: Sequence[Cut], order: str, head: Sequence[Piece], encoder: Encoder) -> tuple[list[int], list[int], list[Branch]]:
    """(ids, weights, branches) of cuts whose prefixes all begin the longest one and, in order "spm", that have one suffix.

    `head` stands before all of them. Where a cursor cuts a token of the trunk, the tokens of the prefix end differently from
    those of the trunk: its branch begins with them.
    """
    furthest = max(cuts, key=lambda each: len(each.prefix))
    behind = _PREFIX_AT[order] + 1
    ids, weights = tokens_of([*head, *pieces(furthest, order)[:behind]], encoder)
    text = encoder.encode(furthest.prefix)
    begun = len(ids) - len(text)
    branches: list[Branch] = []
    for cut in cuts:
        prefix = encoder.encode(cut.prefix)
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prefix, text)))
        rest, rest_weights = tokens_of(pieces(cut, order)[behind:], encoder)
        branches.append(Branch(len(ids), begun + common))
        ids += prefix[common:] + rest
        weights += [0] * (len(prefix) - common) + rest_weights
    return ids, weights, branches
