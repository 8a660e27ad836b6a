"""Functions in a document, and cuts that leave a function's body to be written.

As in `places`, nothing is parsed: a function is a line that looks like one, and its body is what is indented below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from .fim import Cut, is_useful, snap, window_length
from .places import MAX_BLOCK_LINES, block_end, code_start, indentation_of, line_end

#: What a function begins with: its keyword, or a name with parameters and a brace behind them.
_FIRST_LINE = re.compile(
    r"^[ \t]*(?:(?:[\w ]* )?(?:def|func|function|fn) \w"
    r"|(?!(?:if|for|while|switch|catch|return|else|with)\b)\w[^\n(]*\([^\n]*\{[ \t]*$)",
    re.MULTILINE,
)

#: A description below the signature, as Python has it: what opens it, what it says, what closes it.
_DOCSTRING = re.compile(r"(\s*[rRuU]?(\"\"\"|'''))(.*?)(\2[ \t]*)(?=\n)", re.DOTALL)

#: Lines that belong to the function below them: comments, decorators.
_ABOVE = re.compile(r"(?:[ \t]*(?:/\*|\*|//|#|@)[^\n]*\n)+\Z")

#: Longest signature, lines; longest description above or below it, characters.
_MAX_SIGNATURE_LINES, _MAX_DESCRIPTION = 8, 1200

#: How often nothing is shown before the function, nothing behind its body, or of its body only the last line behind the middle.
_ALONE, _WITHOUT_SUFFIX, _LAST_LINE = 0.75, 0.4, 0.3

#: Of bodies of a single line, so many are left out: they are most of all, and say little.
_LEFT_OUT = 0.6

#: Of Python's descriptions, so many stand at the margin, as where somebody pasted them; so many are in another language.
_AT_MARGIN, _OTHER_LANGUAGE = 0.2, 0.12


@dataclass(frozen=True)
class Function:
    """Where a function begins, with the comment above it; where its signature ends, its description, its body's first line; its end.

    All are places in the document, and none of the five is before the one named before it.
    """

    start: int
    signature_end: int
    description_end: int
    body: int
    end: int


def random_function(text: str, random: Random) -> Function | None:
    """A function whose whole body has fewer than MAX_BLOCK_LINES lines; None when the place chosen has none to offer."""
    first = _FIRST_LINE.search(text, text.rfind("\n", 0, random.randrange(len(text))) + 1)
    if first is None:
        return None
    signature_end = _signature_end(text, first.start())
    if signature_end is None:
        return None
    docstring = _DOCSTRING.match(text, signature_end, signature_end + _MAX_DESCRIPTION)
    description_end = docstring.end() if docstring else signature_end
    body = _next_code(text, description_end)
    if body is None or indentation_of(text, body) <= indentation_of(text, first.start()):
        return None
    end = block_end(text, body)
    above = _ABOVE.search(text[max(0, first.start() - _MAX_DESCRIPTION) : first.start()])
    start = first.start() - (len(above[0]) if above else 0)
    is_whole = text.count("\n", body, end) < MAX_BLOCK_LINES - 1
    return Function(start, signature_end, description_end, body, end) if is_whole else None


def cut_body(text: str, random: Random, other_language: Sequence[str] = ()) -> Cut | None:
    """A cut whose middle is the body of a function, or all of it but a last line that returns something.

    What Python says of a function is sometimes moved to the margin, or said by lines of `other_language` instead; otherwise the
    parts joined are a window of the document.
    """
    function = random_function(text, random)
    if function is None:
        return None
    length = window_length(text, random)
    start = random.choice([function.description_end, function.description_end + 1, code_start(text, function.body)])
    end, suffix = _end_and_suffix(text, function, length, random)
    middle = text[start:end]
    if not is_useful(middle) or ("\n" not in middle.strip() and random.random() < _LEFT_OUT):
        return None
    before = function.start if random.random() < _ALONE else snap(text, max(0, function.start - length // 2), random)
    description = _described(text[function.signature_end : function.description_end], random, other_language)
    prefix = text[min(before, function.start) : function.signature_end] + description + text[function.description_end : start]
    return Cut(prefix, middle, suffix, "body")


def _end_and_suffix(text: str, function: Function, length: int, random: Random) -> tuple[int, str]:
    """Where the middle ends, and what is shown behind it."""
    way = random.random()
    if way < _WITHOUT_SUFFIX:
        closing = _next_code(text, function.end)
        is_closed = closing is not None and text.startswith("}", code_start(text, closing))
        return line_end(text, closing) if closing is not None and is_closed else function.end, ""
    last = text.rfind("\n", 0, function.end) + 1
    returned = code_start(text, last)
    if way < _WITHOUT_SUFFIX + _LAST_LINE and last > function.body and text.startswith("return", returned):
        return random.choice([last - 1, returned]), text[returned : function.end]
    return function.end, text[function.end : line_end(text, min(len(text), function.end + length // 2))]


def _described(description: str, random: Random, other_language: Sequence[str]) -> str:
    """A description as it stands, or as others might have given it."""
    found = _DOCSTRING.match(description + "\n")
    if found is None:
        return description
    opening, _, said, closing = found.groups()
    if other_language and random.random() < _OTHER_LANGUAGE:
        indentation = opening[opening.rfind("\n") + 1 : len(opening) - 3]
        said = "".join(f"\n{indentation}{line}" for line in random.sample(other_language, min(len(other_language), random.randint(1, 4))))
        said += f"\n{indentation}"
    if random.random() < _AT_MARGIN:
        opening, said = opening.replace(" ", "").replace("\t", ""), re.sub(r"\n[ \t]+(?=\Z)", "\n", said)
    return opening + said + closing


def _signature_end(text: str, at: int) -> int | None:
    """The end of the line where the brackets of a signature are closed and its block begins."""
    depth = 0
    for _ in range(_MAX_SIGNATURE_LINES):
        start, at = at, line_end(text, at)
        line = text[start:at]
        depth += sum(line.count(each) for each in "([") - sum(line.count(each) for each in ")]")
        if depth <= 0:
            return at if line.rstrip().endswith((":", "{")) else None
        at += 1
    return None


def _next_code(text: str, at: int) -> int | None:
    """The start of the next line that has something on it."""
    line = line_end(text, at) + 1
    while line < len(text):
        if text[line : line_end(text, line)].strip() != "":
            return line
        line = line_end(text, line) + 1
    return None
