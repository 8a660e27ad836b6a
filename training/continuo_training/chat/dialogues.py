"""Dialogues for training: the base model's own answers, and code that packages hold as the answer to a question about it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ..fim import Piece
from .prompts import ABOUT_ITSELF, SYSTEMS

#: One answer in so many is kept for validation.
VALIDATION_EVERY = 25

#: Shortest and longest function that is asked for, characters.
MIN_FUNCTION, MAX_FUNCTION = 120, 1100

#: A Python function with a docstring, and a TypeScript or JavaScript function with a documentation comment. `body` is its first line.
_PYTHON = re.compile(
    r'^(?P<indent>[ ]{0,4})(?:async )?def (?P<name>\w+)\([^)]*\)[^\n]*:\n[ ]+"""(?P<about>[^"\n]{15,160})', re.MULTILINE
)
_TYPESCRIPT = re.compile(
    r"^/\*\*\n \* (?P<about>[^\n@{]{15,160})\n(?: \*[^\n]*\n)*?(?P<indent>)(?=export )(?P<body>export (?:async )?function (?P<name>\w+))",
    re.MULTILINE,
)

_ASKED = (
    "Write a {language} function `{name}`: {about}",
    "Please write `{name}` in {language}. It should do this: {about}",
    "{about} Write that as a {language} function called {name}.",
)

_COMPLETED = (
    "Complete this function:\n\n```{fence}\n{start}\n```",
    "Finish this {language} code:\n\n```{fence}\n{start}\n```",
    "Continue:\n\n```{fence}\n{start}\n```",
)


@dataclass(frozen=True)
class Dialogue:
    """(role, content) in order; `ends` says whether the last answer came to its end."""

    turns: Sequence[tuple[str, str]]
    ends: bool = True


def pieces_of(dialogue: Dialogue) -> list[Piece]:
    """ChatML as our server renders it. The loss is on what the assistant says and on the end of its turn."""
    pieces: list[Piece] = []
    for role, content in dialogue.turns:
        weight = 100 if role == "assistant" else 0
        pieces += [Piece("<|im_start|>", 0, True)]
        # The newline is a token of its own before a letter, so the answer can be encoded apart from the role.
        pieces += [Piece(f"{role}\n", 0), Piece(content, weight)] if weight else [Piece(f"{role}\n{content}", 0)]
        pieces += [Piece("<|im_end|>", weight, True), Piece("\n", 0)]
    return pieces[:-1] if dialogue.ends else pieces[:-2]


def answered_dialogues(answers: Path, split: str) -> list[Dialogue]:
    """What `generate` wrote, and for training what the model says of itself."""
    entries = [json.loads(line) for line in answers.read_text().splitlines()] if answers.exists() else []
    made = [
        Dialogue([(turn["role"], turn["content"]) for turn in entry["messages"]], entry["complete"])
        for number, entry in enumerate(entries)
        if (number % VALIDATION_EVERY == 0) == (split == "valid")
    ]
    own = [Dialogue([("user", question), ("assistant", answer)]) for question, answer in ABOUT_ITSELF]
    return [*made, *own] if split == "train" and made else made


def code_dialogue(text: str, language: str, random: Random) -> Dialogue | None:
    """A question whose answer is a function of this document; None when no function fits."""
    pattern = {"python": _PYTHON, "typescript": _TYPESCRIPT, "javascript": _TYPESCRIPT}.get(language)
    found = list(pattern.finditer(text)) if pattern is not None else []
    if not found:
        return None
    chosen = random.choice(found)
    function = _function_at(text, chosen)
    if not MIN_FUNCTION <= len(function) <= MAX_FUNCTION:
        return None
    words = {"language": language.capitalize().replace("script", "Script"), "fence": language}
    if random.random() < 0.5:
        question = random.choice(_ASKED).format(name=chosen["name"], about=chosen["about"].strip(), **words)
    else:
        lines = function.split("\n")
        start = "\n".join(lines[: random.randint(max(1, len(lines) // 3), max(1, 2 * len(lines) // 3))])
        question = random.choice(_COMPLETED).format(start=start, **words)
    system = [("system", random.choice(SYSTEMS))] if random.random() < 0.3 else []
    return Dialogue([*system, ("user", question), ("assistant", f"```{language}\n{function}\n```")])


def _function_at(text: str, found: re.Match[str]) -> str:
    """The whole function, without the indentation of its first line: to the last line that is indented deeper, or closes it."""
    indent = len(found["indent"])
    start = found.start("body") if "body" in found.groupdict() else found.start()
    lines = text[start:].split("\n")
    end = 1
    for number, line in enumerate(lines[1:], 1):
        depth = len(line) - len(line.lstrip())
        if line.strip() and depth <= indent:
            end = number + 1 if line.strip()[0] in ")}]" else end
            if line.strip()[0] not in ")}]" or line.strip().startswith("}"):
                break
        elif line.strip():
            end = number + 1
    return "\n".join(line[indent:] if line[:indent].isspace() or not indent else line for line in lines[:end])
