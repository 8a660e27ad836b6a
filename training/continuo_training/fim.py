"""Fill-in-the-middle: where a document is cut, and how the pieces become tokens.

A `Cut` is a window of a document in three parts; joined they are that window, character for character.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from .places import IDENTIFIER, MAX_BLOCK_LINES, block_end, code_start, line_end, random_line, some_lines, statement_end

#: Weight of the loss, percent: what the model must learn to write, what stands right before it, and what it merely reads.
MIDDLE_WEIGHT, BEHIND_WEIGHT, CONTEXT_WEIGHT = 100, 8, 3

#: Longest middle, characters.
MAX_MIDDLE = 700

#: Shortest and longest window, tokens.
WINDOW_TOKENS = (60, 900)

#: How often each way to choose a middle is tried, percent.
SPANS = {"line": 42, "lines": 32, "span": 12, "word": 14}

#: Roughly, and only to size windows: ASCII characters per token, and tokens per other character (Chinese is spelt in bytes).
ASCII_PER_TOKEN, TOKENS_PER_OTHER = 3.2, 1.6


class Encoder(Protocol):
    """Text to ids; control tokens only by name."""

    control: dict[str, int]

    def encode(self, text: str) -> list[int]: ...

    def encode_joined(self, first: str, second: str) -> tuple[list[int], int]:
        """Ids of both as one text, and how many of them lie in the first alone."""
        ...


@dataclass(frozen=True)
class Cut:
    """One cursor position: what stands before, what is to be written, what stands after.

    `behind` is the end of what stands before, as far as an example shows it behind the middle marker (see `arranged`).
    """

    prefix: str
    middle: str
    suffix: str
    kind: str
    behind: str = ""


def cut(text: str, random: Random) -> Cut | None:
    """A random cut of `text` with a random window around it; None when the place chosen has nothing to offer."""
    kind = random_kind(random)
    span = span_of(kind, text, random)
    if span is None:
        return None
    start, end = span
    before, after = window(text, start, end, window_length(text, random), random)
    return Cut(text[before:start], text[start:end], text[end:after], kind)


def cut_without_suffix(text: str, random: Random) -> Cut | None:
    """A cut whose middle goes on to the end of a line or of a block, and nothing is said about what follows."""
    span = span_without_suffix(text, random)
    if span is None:
        return None
    start, end = span
    before = snap(text, max(0, start - window_length(text, random)), random)
    return Cut(text[before:start], text[start:end], "", "end") if before < start else None


def random_kind(random: Random) -> str:
    return random.choices(list(SPANS), weights=list(SPANS.values()))[0]


def span_of(kind: str, text: str, random: Random) -> tuple[int, int] | None:
    """Start and end of a middle of one of the kinds of SPANS."""
    span = _CHOOSERS[kind](text, random)
    return span if span is not None and is_useful(text[span[0] : span[1]]) else None


def span_without_suffix(text: str, random: Random) -> tuple[int, int] | None:
    """Start and end of a middle whose end can be known from what stands before it."""
    start = _cursor(text, random)
    if start is None:
        return None
    end = block_end(text, start) if random.random() < 0.7 else line_end(text, start)
    middle = text[start:end].rstrip()
    # A long block was cut off somewhere, and without a suffix nothing says why the middle should end there.
    is_cut_off = text.count("\n", start, end) >= MAX_BLOCK_LINES - 1
    return None if not is_useful(middle) or is_cut_off or start == 0 else (start, start + len(middle))


def is_useful(middle: str) -> bool:
    return len(middle) <= MAX_MIDDLE and middle.strip() != ""


# --- the middle ---


def _line(text: str, random: Random) -> tuple[int, int] | None:
    """The rest of a line: mostly all that follows the indentation, else from any character on."""
    first = random_line(text, random)
    if first is None:
        return None
    start, end = code_start(text, first), line_end(text, first)
    if random.random() < 0.45 and end - start > 1:
        start = random.randrange(start, end)
    return start, end


def _lines(text: str, random: Random) -> tuple[int, int] | None:
    """Several lines that belong together: a block's body, statements of one block, or from inside a line to the block's end."""
    first = random_line(text, random)
    if first is None:
        return None
    start, end = code_start(text, first), line_end(text, first)
    way = random.random()
    if way < 0.4 and end < len(text):  # the body under this line, or what follows it
        body = end + 1
        return (code_start(text, body) if random.random() < 0.6 else end), block_end(text, body)
    if way < 0.75:  # whole lines of one block
        return start, some_lines(text, start, random.randint(2, 8))
    if end - start < 2:
        return None
    return random.randrange(start + 1, end), block_end(text, first)


def _span(text: str, random: Random) -> tuple[int, int] | None:
    """Any characters at all."""
    length = round(math.exp(random.uniform(math.log(5), math.log(200))))
    if len(text) <= length + 1:
        return None
    start = random.randrange(1, len(text) - length)
    return start, start + length


def _word(text: str, random: Random) -> tuple[int, int] | None:
    """From inside a name to the end of the name, of the line or of the statement."""
    first = random_line(text, random)
    if first is None:
        return None
    names = list(IDENTIFIER.finditer(text, first, line_end(text, first)))
    if not names:
        return None
    name = random.choice(names)
    start = random.randrange(name.start() + 1, name.end())
    way = random.random()
    if way < 0.35:
        return start, name.end()
    return start, line_end(text, start) if way < 0.8 else statement_end(text, start)


_CHOOSERS: dict[str, Callable[[str, Random], tuple[int, int] | None]] = {"line": _line, "lines": _lines, "span": _span, "word": _word}


def _cursor(text: str, random: Random) -> int | None:
    """Where somebody types: at the start of a line's code, inside it, or at its end."""
    first = random_line(text, random)
    if first is None:
        return None
    start, end = code_start(text, first), line_end(text, first)
    way = random.random()
    if way < 0.4:
        return start
    return random.randrange(start, end) if way < 0.8 else end


# --- the window ---


def characters_per_token(text: str) -> float:
    sample = text[:4000]
    others = len(sample) - len(sample.encode("ascii", errors="ignore"))
    return len(sample) / ((len(sample) - others) / ASCII_PER_TOKEN + others * TOKENS_PER_OTHER)


def window_length(text: str, random: Random) -> int:
    """How long an example is to be, characters: short ones, so that many are learned from, and as long as files around a cursor are.

    Trained on 60 to 300 tokens, a model ended in time after 42 % of the right lines at 700 tokens, and after 67 % at 300.
    """
    return round(math.exp(random.uniform(*map(math.log, WINDOW_TOKENS))) * characters_per_token(text))


def window(text: str, start: int, end: int, length: int, random: Random) -> tuple[int, int]:
    """Start and end of the context around a middle."""
    budget = max(60, length - (end - start))
    way = random.random()
    if way < 0.6:
        share = random.uniform(0.35, 0.8)
    elif way < 0.8:
        share = random.uniform(0.8, 0.97)
    else:
        share = random.uniform(0.03, 0.35)
    before, after = round(budget * share), round(budget * (1 - share))
    # What one side does not use is the other's.
    spare_before, spare_after = max(0, before - start), max(0, after - (len(text) - end))
    first = snap(text, max(0, start - before - spare_after), random)
    last = min(len(text), end + after + spare_before)
    if random.random() < 0.7:
        last = line_end(text, last)
    return min(first, start), max(last, end)


def snap(text: str, at: int, random: Random) -> int:
    """To the start of a line, mostly; a server that shortens a long prefix cuts anywhere."""
    return text.rfind("\n", 0, at) + 1 if random.random() < 0.7 else at


# --- arrangements ---

#: How a prompt is put together. "psm": prefix, suffix, middle marker. "psm-line": the line of the cursor stands behind the middle
#: marker, which the model then goes on from. "spm": suffix, middle marker, prefix, so that all that comes before stands together.
ARRANGEMENTS = ("psm", "psm-line", "spm")


def arranged(cut: Cut, arrangement: str) -> Cut:
    """The same cut in that order, with the part of its prefix moved behind the middle marker that the arrangement has there."""
    start = {"psm": len(cut.prefix), "psm-line": cursor_line(cut.prefix), "spm": 0}[arrangement]
    return replace(cut, prefix=cut.prefix[:start], behind=cut.prefix[start:])


def cursor_line(prefix: str) -> int:
    """Where the last line of a prefix begins, with the line break before it: its indentation is one token with that."""
    start = prefix.rfind("\n") if "\n" in prefix else 0
    while start > 0 and prefix[start - 1] in " \t\r\n":
        start -= 1
    return start


# --- tokens ---


@dataclass(frozen=True)
class Piece:
    """Part of an example: a control token, or text; with the weight of its loss. `behind` is one text with it, and weighs less."""

    content: str
    weight: int
    is_control: bool = False
    behind: str = ""


def pieces(cut: Cut, is_healed: bool = True) -> list[Piece]:
    """The example of an arranged cut.

    Healed, as by a server with token healing, its tokens are those of the text without a cursor. Otherwise what stands before
    the cursor and what is written behind it are encoded apart.
    """
    return [
        Piece("<|fim_prefix|>", 0, True),
        Piece(cut.prefix, CONTEXT_WEIGHT),
        Piece("<|fim_suffix|>", 0, True),
        Piece(cut.suffix, CONTEXT_WEIGHT),
        Piece("<|fim_middle|>", 0, True),
        *([] if is_healed else [Piece(cut.behind, BEHIND_WEIGHT)]),
        Piece(cut.middle, MIDDLE_WEIGHT, behind=cut.behind if is_healed else ""),
        Piece("<|endoftext|>", MIDDLE_WEIGHT, True),
    ]


def repository(name: str, files: Sequence[tuple[str, str]], path: str, last: list[Piece]) -> list[Piece]:
    """The repository form: other files as (path, content), then `last`, the example of the current file."""
    shown = [Piece("<|repo_name|>", 0, True), Piece(f"{name}\n", 0)]
    for each, content in files:
        shown += [Piece("<|file_sep|>", 0, True), Piece(f"{each}\n{content}\n", CONTEXT_WEIGHT)]
    return [*shown, Piece("<|file_sep|>", 0, True), Piece(f"{path}\n", 0), *last]


def tokens_of(all_pieces: Sequence[Piece], encoder: Encoder) -> tuple[list[int], list[int]]:
    """(ids, weights). Each piece is encoded for itself, as the server does, and text never becomes a control token."""
    ids: list[int] = []
    weights: list[int] = []
    for piece in all_pieces:
        new, behind = ([encoder.control[piece.content]], 0) if piece.is_control else encoder.encode_joined(piece.behind, piece.content)
        ids += new
        weights += [BEHIND_WEIGHT] * behind + [piece.weight] * (len(new) - behind)
    return ids, weights
