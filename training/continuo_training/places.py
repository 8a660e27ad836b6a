"""Places in a document where somebody types, and where what they type may end.

Nothing here needs a parser: blocks are found by indentation, statements by brackets, so one code serves all languages.
"""

from __future__ import annotations

import re
from random import Random

#: The longest block that counts as natural, lines.
MAX_BLOCK_LINES = 12

IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")


def random_line(text: str, random: Random) -> int | None:
    """Where a line with something on it begins; lines of brackets alone are chosen rarely."""
    for _ in range(4):
        at = text.rfind("\n", 0, random.randrange(len(text))) + 1
        line = text[at : line_end(text, at)].strip()
        if len(line) > 2 or (line != "" and random.random() < 0.1):
            return at
    return None


def line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def code_start(text: str, line: int) -> int:
    while line < len(text) and text[line] in " \t":
        line += 1
    return line


def indentation_of(text: str, line: int) -> int:
    return len(text[line : code_start(text, line)].expandtabs(4))


def block_end(text: str, at: int) -> int:
    """The end of the last line that is indented at least as the line of `at`; blank lines at the end do not belong to it."""
    line = text.rfind("\n", 0, at) + 1
    return _end_of_lines(text, line, indentation_of(text, line), MAX_BLOCK_LINES)


def some_lines(text: str, at: int, count: int) -> int:
    """The end of up to `count` lines, fewer where the block ends."""
    line = text.rfind("\n", 0, at) + 1
    return _end_of_lines(text, line, indentation_of(text, line), count)


def _end_of_lines(text: str, line: int, indentation: int, count: int) -> int:
    end = line_end(text, line)
    last = end
    for _ in range(count - 1):
        if end >= len(text):
            break
        line = end + 1
        end = line_end(text, line)
        if text[line:end].strip() == "":
            continue
        if indentation_of(text, line) < indentation:
            break
        last = end
    return last


def statement_end(text: str, at: int) -> int:
    """The end of the first line after which every bracket opened since `at` is closed."""
    depth, end = 0, at
    for _ in range(MAX_BLOCK_LINES):
        start, end = end, line_end(text, end)
        piece = text[start:end]
        depth += sum(piece.count(each) for each in "([{") - sum(piece.count(each) for each in ")]}")
        if depth <= 0 or end >= len(text):
            return end
        end += 1
    return line_end(text, at)
