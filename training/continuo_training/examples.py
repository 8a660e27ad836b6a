"""Documents and dialogues to training examples.

    training/run examples [--work .cache/training/work] [--tokens 12000000] [--seed 1] [--single]

Reads WORK/documents.jsonl and, when it is there, WORK/chat-answers.jsonl (see `chat`); writes WORK/examples/train and WORK/examples/valid, and a report
of tokens by kind and by language, and of the share of tokens that the model is asked for. The same seed gives the same examples.
"""

from __future__ import annotations

import argparse
import json
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from .base import default_base, read_base
from .chat.dialogues import Dialogue, answered_dialogues, code_dialogue, pieces_of
from .dataset import Branch, ExampleWriter
from .fim import Cut, Piece, arranged, characters_per_token, cut, cut_without_suffix, pieces, repository, tokens_of
from .functions import cut_body
from .sample import ASKED
from .tokenizer import Tokenizer
from .trees import grow, tree, tree_without_suffix

#: Shares of examples by language, percent. Languages that have no documents leave theirs to the others.
LANGUAGES = {
    "python": 42, "typescript": 30, "javascript": 9, "go": 3, "java": 2, "c": 1.5, "cpp": 0.7, "rust": 3, "shell": 1.3,
    "json": 2, "yaml": 1, "markdown": 5, "chinese": 4,
}  # fmt: skip

#: Shares of tokens by form.
FORMS = {"chat": 0.08, "plain": 0.02, "tree": 0.08, "single": 0.82}

#: Arrangements of single cuts and of trees, percent.
SINGLE_ARRANGEMENTS, TREE_ARRANGEMENTS = {"spm": 98, "psm": 2}, {"psm-line": 60, "psm": 40}

#: Of cuts and trees, so many are encoded as a server with token healing does; the others for servers without.
HEALED = 0.85

#: Of cuts and trees, so many have no suffix, or the repository form; of cuts, so many leave a function's body to be written.
NO_SUFFIX, REPOSITORY, BODIES = 0.08, 0.08, 0.5

#: Of dialogues, so many are answers of the base model, while each is used this often at most.
ANSWERS, ANSWER_USES = 0.55, 8

#: Weight of the loss on plain text, percent.
PLAIN_WEIGHT = 50

#: Longest example, tokens.
MAX_TOKENS = 1024

#: Of a long document, no more than this raises its chance to be chosen, characters.
WEIGHED_LENGTH = 12_000

#: Validation tokens for each hundred of training.
VALIDATION_PERCENT = 2


#: Tries in a row without an example after which the documents have none of that form to offer.
MAX_MISSES = 100_000


@dataclass(frozen=True)
class Example:
    """As ExampleWriter takes it, and its language."""

    tokens: list[int]
    weights: list[int]
    kind: str
    language: str
    branches: Sequence[Branch] = ()


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
        self.chinese = [line for document in self._documents.get("chinese", []) for line in chinese_comments(document.text)]
        self._languages = [language for language in LANGUAGES if language in self._documents]
        self._sums = {
            language: list(accumulate(min(len(each.text), WEIGHED_LENGTH) for each in chosen))
            for language, chosen in self._documents.items()
        }

    def choose(self, random: Random) -> Document:
        language = random_of({each: LANGUAGES[each] for each in self._languages}, random)
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
    parser.add_argument("--single", action="store_true", help="no trees: every cut is an example by itself")
    options = parser.parse_args(arguments)
    forms = {"chat": FORMS["chat"], "plain": FORMS["plain"], "single": FORMS["tree"] + FORMS["single"]} if options.single else FORMS
    out = options.out or options.work / "examples"
    tokenizer = Tokenizer(read_base(default_base()))
    report: dict[str, dict[str, float]] = {}
    for split, amount in (("train", options.tokens), ("valid", options.tokens * VALIDATION_PERCENT // 100)):
        library = Library(read_documents(options.work / "documents.jsonl", split))
        answers = answered_dialogues(options.work / "chat-answers.jsonl", split)
        counted: Counter[str] = Counter()
        asked: Counter[str] = Counter()
        with ExampleWriter(out / split) as writer:
            for example in examples(library, answers, tokenizer, amount, f"{options.seed}/{split}", forms):
                writer.add(example.tokens, example.weights, example.kind, example.branches)
                counted[f"kind {example.kind}"] += len(example.tokens)
                counted[f"language {example.language}"] += len(example.tokens)
                counted["examples"] += 1
                counted["branches"] += len(example.branches)
                asked[f"kind {example.kind}"] += example.weights.count(ASKED)
        report[split] = dict(sorted(counted.items()))
        report[f"asked for, {split}"] = {kind: round(number / counted[kind], 3) for kind, number in sorted(asked.items())}
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
    library: Library, answers: Sequence[Dialogue], tokenizer: Tokenizer, amount: int, seed: str, forms: Mapping[str, float] = FORMS
) -> Iterator[Example]:
    """`amount` tokens of examples. The form that is furthest behind its share is next."""
    written: Counter[str] = Counter()
    number = answers_used = misses = 0
    while written.total() < amount:
        random = Random(f"{seed}/{number}")
        number += 1
        form = max(forms, key=lambda each: forms[each] * written.total() - written[each])
        offered = answers if answers_used < ANSWER_USES * len(answers) else []
        example = example_of(form, library, offered, tokenizer, random)
        if example is not None and 8 <= len(example.tokens) <= MAX_TOKENS:
            written[form] += len(example.tokens)
            answers_used += example.kind == "chat-answer"
            misses = 0
            yield example
        elif (misses := misses + 1) == MAX_MISSES:
            raise SystemExit(f"{MAX_MISSES:,} tries found no example of the form {form}; run the step `documents` over more packages")


def example_of(form: str, library: Library, answers: Sequence[Dialogue], tokenizer: Tokenizer, random: Random) -> Example | None:
    """One of FORMS; None when what chance chose has nothing to offer."""
    if form == "tree":
        return tree_example(library, tokenizer, random)
    found = chat_pieces(library, answers, random) if form == "chat" else document_pieces(library, form, random)
    if found is None:
        return None
    chosen, kind, language = found
    return Example(*tokens_of(chosen, tokenizer), kind, language)


def chat_pieces(library: Library, answers: Sequence[Dialogue], random: Random) -> tuple[list[Piece], str, str] | None:
    """A dialogue: an answer of the base model, or code of a package as the answer."""
    if answers and random.random() < ANSWERS:
        return pieces_of(random.choice(answers)), "chat-answer", "chat"
    document = library.choose(random)
    dialogue = code_dialogue(document.text, document.language, random)
    return None if dialogue is None else (pieces_of(dialogue), "chat-code", document.language)


def document_pieces(library: Library, form: str, random: Random) -> tuple[list[Piece], str, str] | None:
    """One example of a document, plain or cut once; its kind and its language."""
    document = library.choose(random)
    if form == "plain":
        return plain_pieces(document.text, random), form, document.language
    chosen = chosen_cut(library, document.text, random)
    if chosen is None:
        return None
    arrangement = random_of(SINGLE_ARRANGEMENTS, random)
    head = random_head(library, document, random)
    own = pieces(arranged(chosen, arrangement), random.random() < HEALED)
    return [*head, *own], named(f"{chosen.kind}-{arrangement}", head), document.language


def chosen_cut(library: Library, text: str, random: Random) -> Cut | None:
    way = random.random()
    if way < BODIES:
        return cut_body(text, random, library.chinese)
    return cut_without_suffix(text, random) if way < BODIES + NO_SUFFIX else cut(text, random)


def tree_example(library: Library, tokenizer: Tokenizer, random: Random) -> Example | None:
    """A document cut several times, in one tree."""
    document = library.choose(random)
    is_open = random.random() < NO_SUFFIX
    cuts = tree_without_suffix(document.text, random) if is_open else tree(document.text, random)
    if cuts is None:
        return None
    arrangement = random_of(TREE_ARRANGEMENTS, random)
    head = random_head(library, document, random)
    ids, weights, branches = grow([arranged(each, arrangement) for each in cuts], head, tokenizer, random.random() < HEALED)
    kind = f"tree-end-{arrangement}" if is_open else f"tree-{arrangement}"
    return Example(ids, weights, named(kind, head), document.language, branches)


def chinese_comments(text: str) -> list[str]:
    """What the lines say that are comments or sentences in Chinese, without the marks of a comment."""
    said = (line.strip().lstrip("/*#-> ").rstrip("*/ ") for line in text.splitlines())
    return [line for line in said if len(line) <= 60 and len(re.findall(r"[\u4e00-\u9fff]", line)) >= max(4, len(line) // 2)]


def random_of(shares: Mapping[str, float], random: Random) -> str:
    return random.choices(list(shares), weights=list(shares.values()))[0]


def random_head(library: Library, document: Document, random: Random) -> list[Piece]:
    """Sometimes other files of the package, in the repository form; mostly nothing."""
    if random.random() >= REPOSITORY:
        return []
    files = [(other.path, excerpt(other.text, random)) for other in library.beside(document, random)]
    return repository(document.repo, files, document.path, [])


def named(kind: str, head: Sequence[Piece]) -> str:
    return f"{kind}-repository" if head else kind


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
