"""Documents and dialogues to training examples.

    training/run examples [--work .cache/training/work] [--tokens 12000000] [--seed 1]

Reads WORK/documents.jsonl and, when it is there, WORK/chat-answers.jsonl (see `chat`); writes WORK/examples/train and WORK/examples/valid, and a report
of tokens by kind and by language. Each example depends on the seed and its number alone.
"""

from __future__ import annotations

import argparse
import json
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from .base import default_base, read_base
from .chat.dialogues import Dialogue, answered_dialogues, code_dialogue, pieces_of
from .dataset import ExampleWriter
from .fim import Piece, characters_per_token, cut, cut_without_suffix, pieces, repository, tokens_of
from .tokenizer import Tokenizer

#: Shares of examples by language, percent. Languages that have no documents leave theirs to the others.
LANGUAGES = {
    "python": 42, "typescript": 30, "javascript": 9, "go": 3, "java": 2, "c": 1.5, "cpp": 0.7, "rust": 3, "shell": 1.3,
    "json": 2, "yaml": 1, "markdown": 5, "chinese": 4,
}  # fmt: skip

#: Of the examples that are no dialogue, so many are plain text; of the others so many have no suffix, or the repository form.
PLAIN, NO_SUFFIX, REPOSITORY = 0.09, 0.08, 0.08

#: Share of dialogue in all tokens; and of dialogues, so many are answers of the base model, while each is used this often at most.
CHAT, ANSWERS, ANSWER_USES = 0.11, 0.55, 8

#: Weight of the loss on plain text, percent.
PLAIN_WEIGHT = 50

#: Longest example, tokens.
MAX_TOKENS = 1024

#: Of a long document, no more than this raises its chance to be chosen, characters.
WEIGHED_LENGTH = 12_000

#: Validation tokens for each hundred of training.
VALIDATION_PERCENT = 2


@dataclass(frozen=True)
class Document:
    text: str
    language: str
    source: str
    repo: str
    path: str


class Library:
    """Documents by language, chosen by how much there is in them."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents: dict[str, list[Document]] = {}
        self._sources: dict[str, list[Document]] = {}
        for document in documents:
            self._documents.setdefault(document.language, []).append(document)
            self._sources.setdefault(document.source, []).append(document)
        self._languages = [language for language in LANGUAGES if language in self._documents]
        self._sums = {
            language: list(accumulate(min(len(each.text), WEIGHED_LENGTH) for each in chosen))
            for language, chosen in self._documents.items()
        }

    def choose(self, random: Random) -> Document:
        language = random.choices(self._languages, weights=[LANGUAGES[each] for each in self._languages])[0]
        sums = self._sums[language]
        return self._documents[language][bisect(sums, random.randrange(sums[-1]))]

    def beside(self, document: Document, random: Random) -> list[Document]:
        """One or two other files of the same package."""
        others = [random.choice(self._sources[document.source]) for _ in range(random.randint(1, 2))]
        return [each for each in others if each is not document]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="examples", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="work folder (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=12_000_000, help="tokens of training examples (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for train and valid (default: WORK/examples)")
    options = parser.parse_args(arguments)
    out = options.out or options.work / "examples"
    tokenizer = Tokenizer(read_base(default_base()))
    report: dict[str, dict[str, int]] = {}
    for split, amount in (("train", options.tokens), ("valid", options.tokens * VALIDATION_PERCENT // 100)):
        library = Library(read_documents(options.work / "documents.jsonl", split))
        answers = answered_dialogues(options.work / "chat-answers.jsonl", split)
        counted: Counter[str] = Counter()
        with ExampleWriter(out / split) as writer:
            for tokens, weights, kind, language in examples(library, answers, tokenizer, amount, f"{options.seed}/{split}"):
                writer.add(tokens, weights, kind)
                counted[f"kind {kind}"] += len(tokens)
                counted[f"language {language}"] += len(tokens)
                counted["examples"] += 1
        report[split] = dict(sorted(counted.items()))
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def read_documents(path: Path, split: str) -> list[Document]:
    documents: list[Document] = []
    with path.open() as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["split"] == split:
                language = "chinese" if entry["chinese"] else entry["language"]
                documents.append(Document(entry["text"], language, entry["source"], entry["repo"], entry["path"]))
    if not documents:
        raise SystemExit(f"{path}: no documents for {split}; run the step `documents` over more packages")
    return documents


def examples(
    library: Library, answers: Sequence[Dialogue], tokenizer: Tokenizer, amount: int, seed: str
) -> Iterator[tuple[list[int], list[int], str, str]]:
    """(tokens, weights, kind, language), `amount` tokens of them."""
    written: Counter[str] = Counter()
    number = answers_used = 0
    while written.total() < amount:
        random = Random(f"{seed}/{number}")
        number += 1
        wants_chat = written["chat"] < CHAT * written.total()
        offered = answers if answers_used < ANSWER_USES * len(answers) else []
        found = chat_pieces(library, offered, random) if wants_chat else document_pieces(library, random)
        if found is None:
            continue
        chosen, kind, language = found
        tokens, weights = tokens_of(chosen, tokenizer)
        if 8 <= len(tokens) <= MAX_TOKENS:
            written["chat" if wants_chat else "document"] += len(tokens)
            answers_used += kind == "chat-answer"
            yield tokens, weights, kind, language


def chat_pieces(library: Library, answers: Sequence[Dialogue], random: Random) -> tuple[list[Piece], str, str] | None:
    """A dialogue: an answer of the base model, or code of a package as the answer."""
    if answers and random.random() < ANSWERS:
        return pieces_of(random.choice(answers)), "chat-answer", "chat"
    document = library.choose(random)
    dialogue = code_dialogue(document.text, document.language, random)
    return None if dialogue is None else (pieces_of(dialogue), "chat-code", document.language)


def document_pieces(library: Library, random: Random) -> tuple[list[Piece], str, str] | None:
    """One example of a document, its kind and its language."""
    document = library.choose(random)
    if random.random() < PLAIN:
        return plain_pieces(document.text, random), "plain", document.language
    chosen = cut_without_suffix(document.text, random) if random.random() < NO_SUFFIX else cut(document.text, random)
    if chosen is None:
        return None
    order = random.choice(("psm", "spm"))
    example, kind = pieces(chosen, order), f"{chosen.kind}-{order}"
    if random.random() >= REPOSITORY:
        return example, kind, document.language
    files = [(other.path, excerpt(other.text, random)) for other in library.beside(document, random)]
    return repository(document.repo, files, document.path, example), f"{kind}-repository", document.language


def plain_pieces(text: str, random: Random) -> list[Piece]:
    """Text from the start of the file or of a line; with its end only where the file ends."""
    length = round(random.uniform(120, 450) * characters_per_token(text))
    start = 0
    if random.random() < 0.5 and len(text) > length:
        start = text.rfind("\n", 0, random.randrange(len(text) - length)) + 1
    shown = Piece(text[start : start + length], PLAIN_WEIGHT)
    return [shown, Piece("<|endoftext|>", PLAIN_WEIGHT, True)] if start + length >= len(text) else [shown]


def excerpt(text: str, random: Random) -> str:
    """The first lines of another file, or some from its inside."""
    length = random.randint(150, 700)
    start = 0 if random.random() < 0.6 else text.rfind("\n", 0, random.randrange(len(text))) + 1
    end = text.find("\n", min(len(text), start + length))
    return text[start : end if 0 <= end < start + 2 * length else start + length].rstrip("\n")


if __name__ == "__main__":
    main()
