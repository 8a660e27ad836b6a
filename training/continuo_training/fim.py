"""Fill-in-the-middle: where a document is cut, and how the pieces become tokens.

A `Cut` is a window of a document in three parts; joined they are that window, character for character. Nothing here needs a
parser: blocks are found by indentation, statements by brackets, so one code serves all languages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

#: Weight of the loss, percent: what the model must learn to write, and what it merely reads.
MIDDLE_WEIGHT, CONTEXT_WEIGHT = 100, 20

#: Longest middle, characters; and the longest block that counts as natural, lines.
MAX_MIDDLE, MAX_BLOCK_LINES = 700, 12

#: How often each way to choose a middle is tried, percent.
SPANS = {"line": 40, "lines": 22, "span": 18, "word": 20}

#: Roughly, and only to size windows: ASCII characters per token, and tokens per other character (Chinese is spelt in bytes).
ASCII_PER_TOKEN, TOKENS_PER_OTHER = 3.2, 1.6

_IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")


class Encoder(Protocol):
    """Text to ids; control tokens only by name."""

    control: dict[str, int]

    def encode(self, text: str) -> list[int]: ...


@dataclass(frozen=True)
class Cut:
    """One cursor position: what stands before, what is to be written, what stands after."""

    prefix: str
    middle: str
    suffix: str
    kind: str


def cut(text: str, random: Random) -> Cut | None:
    """A random cut of `text` with a random window around it; None when the place chosen has nothing to offer."""
    kind = random.choices(list(SPANS), weights=list(SPANS.values()))[0]
    span = _CHOOSERS[kind](text, random)
    if span is None or not _is_useful(text[span[0] : span[1]]):
        return None
    start, end = span
    before, after = _window(text, start, end, _window_length(text, random), random)
    return Cut(text[before:start], text[start:end], text[end:after], kind)


def cut_without_suffix(text: str, random: Random) -> Cut | None:
    """A cut whose middle goes on to the end of a line or of a block, and nothing is said about what follows."""
    start = _cursor(text, random)
    if start is None:
        return None
    end = _block_end(text, start) if random.random() < 0.7 else _line_end(text, start)
    middle = text[start:end].rstrip()
    # A long block was cut off somewhere, and without a suffix nothing says why the middle should end there.
    is_cut_off = text.count("\n", start, end) >= MAX_BLOCK_LINES - 1
    if not _is_useful(middle) or is_cut_off or start == 0:
        return None
    before = _snap(text, max(0, start - _window_length(text, random)), random)
    return Cut(text[before:start], middle, "", "end") if before < start else None


def _is_useful(middle: str) -> bool:
    return len(middle) <= MAX_MIDDLE and middle.strip() != ""


# --- the middle ---


def _line(text: str, random: Random) -> tuple[int, int] | None:
    """The rest of a line: mostly all that follows the indentation, else from any character on."""
    first = _random_line(text, random)
    if first is None:
        return None
    start, end = _code_start(text, first), _line_end(text, first)
    if random.random() < 0.45 and end - start > 1:
        start = random.randrange(start, end)
    return start, end


def _lines(text: str, random: Random) -> tuple[int, int] | None:
    """Several lines that belong together: a block's body, statements of one block, or from inside a line to the block's end."""
    first = _random_line(text, random)
    if first is None:
        return None
    start, end = _code_start(text, first), _line_end(text, first)
    way = random.random()
    if way < 0.4 and end < len(text):  # the body under this line, or what follows it
        body = end + 1
        return (_code_start(text, body) if random.random() < 0.6 else end), _block_end(text, body)
    if way < 0.75:  # whole lines of one block
        return start, _some_lines(text, start, random.randint(2, 8))
    if end - start < 2:
        return None
    return random.randrange(start + 1, end), _block_end(text, first)


def _span(text: str, random: Random) -> tuple[int, int] | None:
    """Any characters at all."""
    length = round(math.exp(random.uniform(math.log(5), math.log(200))))
    if len(text) <= length + 1:
        return None
    start = random.randrange(1, len(text) - length)
    return start, start + length


def _word(text: str, random: Random) -> tuple[int, int] | None:
    """From inside a name to the end of the name, of the line or of the statement."""
    first = _random_line(text, random)
    if first is None:
        return None
    names = list(_IDENTIFIER.finditer(text, first, _line_end(text, first)))
    if not names:
        return None
    name = random.choice(names)
    start = random.randrange(name.start() + 1, name.end())
    way = random.random()
    if way < 0.35:
        return start, name.end()
    return start, _line_end(text, start) if way < 0.8 else _statement_end(text, start)


_CHOOSERS: dict[str, Callable[[str, Random], tuple[int, int] | None]] = {"line": _line, "lines": _lines, "span": _span, "word": _word}


def _cursor(text: str, random: Random) -> int | None:
    """Where somebody types: at the start of a line's code, inside it, or at its end."""
    first = _random_line(text, random)
    if first is None:
        return None
    start, end = _code_start(text, first), _line_end(text, first)
    way = random.random()
    if way < 0.4:
        return start
    return random.randrange(start, end) if way < 0.8 else end


def _random_line(text: str, random: Random) -> int | None:
    """Where a line with something on it begins; lines of brackets alone are chosen rarely."""
    for _ in range(4):
        at = text.rfind("\n", 0, random.randrange(len(text))) + 1
        line = text[at : _line_end(text, at)].strip()
        if len(line) > 2 or (line != "" and random.random() < 0.1):
            return at
    return None


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _code_start(text: str, line: int) -> int:
    while line < len(text) and text[line] in " \t":
        line += 1
    return line


def _indentation(text: str, line: int) -> int:
    return len(text[line : _code_start(text, line)].expandtabs(4))


def _block_end(text: str, at: int) -> int:
    """The end of the last line that is indented at least as the line of `at`; blank lines at the end do not belong to it."""
    line = text.rfind("\n", 0, at) + 1
    return _end_of_lines(text, line, _indentation(text, line), MAX_BLOCK_LINES)


def _some_lines(text: str, at: int, count: int) -> int:
    """The end of up to `count` lines, fewer where the block ends."""
    line = text.rfind("\n", 0, at) + 1
    return _end_of_lines(text, line, _indentation(text, line), count)


def _end_of_lines(text: str, line: int, indentation: int, count: int) -> int:
    end = _line_end(text, line)
    last = end
    for _ in range(count - 1):
        if end >= len(text):
            break
        line = end + 1
        end = _line_end(text, line)
        if text[line:end].strip() == "":
            continue
        if _indentation(text, line) < indentation:
            break
        last = end
    return last


def _statement_end(text: str, at: int) -> int:
    """The end of the first line after which every bracket opened since `at` is closed."""
    depth, end = 0, at
    for _ in range(MAX_BLOCK_LINES):
        start, end = end, _line_end(text, end)
        piece = text[start:end]
        depth += sum(piece.count(each) for each in "([{") - sum(piece.count(each) for each in ")]}")
        if depth <= 0 or end >= len(text):
            return end
        end += 1
    return _line_end(text, at)


# --- the window ---


def characters_per_token(text: str) -> float:
    sample = text[:4000]
    others = sum(not character.isascii() for character in sample)
    return len(sample) / ((len(sample) - others) / ASCII_PER_TOKEN + others * TOKENS_PER_OTHER)


def _window_length(text: str, random: Random) -> int:
    """How long an example is to be, characters: mostly 90 to 480 tokens, now and then up to 900."""
    low, high = (500, 900) if random.random() < 0.04 else (90, 480)
    return round(math.exp(random.uniform(math.log(low), math.log(high))) * characters_per_token(text))


def _window(text: str, start: int, end: int, length: int, random: Random) -> tuple[int, int]:
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
    first = _snap(text, max(0, start - before - spare_after), random)
    last = min(len(text), end + after + spare_before)
    if random.random() < 0.7:
        last = _line_end(text, last)
    return min(first, start), max(last, end)


def _snap(text: str, at: int, random: Random) -> int:
    """To the start of a line, mostly; a server that shortens a long prefix cuts anywhere."""
    return text.rfind("\n", 0, at) + 1 if random.random() < 0.7 else at


# --- tokens ---


@dataclass(frozen=True)
class Piece:
    """Part of an example: a control token, or text; with the weight of its loss."""

    content: str
    weight: int
    is_control: bool = False


def pieces(cut: Cut, order: str) -> list[Piece]:
    """The example of a cut in order "psm" or "spm"."""
    prefix = [Piece("<|fim_prefix|>", 0, True), Piece(cut.prefix, CONTEXT_WEIGHT)]
    suffix = [Piece("<|fim_suffix|>", 0, True), Piece(cut.suffix, CONTEXT_WEIGHT)]
    context = [*prefix, *suffix] if order == "psm" else [*suffix, *prefix]
    return [
        *context,
        Piece("<|fim_middle|>", 0, True),
        Piece(cut.middle, MIDDLE_WEIGHT),
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
        new = [encoder.control[piece.content]] if piece.is_control else encoder.encode(piece.content)
        ids += new
        weights += [piece.weight] * len(new)
    return ids, weights
