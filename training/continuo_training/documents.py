"""Packages to documents: extracts, cleans, removes what occurs twice and what the evaluation uses.

    training/run documents [--work .cache/training/work] [--evaluation eval]

Writes WORK/documents.jsonl, one {source, version, licence, language, chinese, split, path, repo, text} a line, and WORK/documents-report.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .archives import members
from .clean import DECLARATIONS, chinese_share, clean, language_of
from .contamination import Contamination, evaluation_cases
from .fetch import archive_of
from .sources import Source, read_sources

#: Most text taken from one package in one language, characters: variety matters more than size.
PACKAGE_LIMIT = 1_200_000

#: One package in so many is kept for validation.
VALIDATION_EVERY = 50

#: Least share of Chinese characters that makes a document a Chinese one: prose, code.
CHINESE_PROSE, CHINESE_CODE = 0.2, 0.04

#: A document goes when more than this share of its long lines has been seen in earlier documents.
MAX_SEEN = 0.5


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="documents", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="work folder (default: %(default)s)")
    parser.add_argument("--evaluation", type=Path, default=Path("eval"), help="folder with the evaluation cases (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these packages of the list")
    options = parser.parse_args(arguments)
    contamination = Contamination(evaluation_cases(options.evaluation))
    report: Counter[str] = Counter()
    seen = Seen()
    target = options.work / "documents.jsonl"
    partial = target.with_suffix(".partial")
    with partial.open("w") as out:
        for source in read_sources(options.only):
            archive = archive_of(options.work / "packages", source)
            if not archive.exists():
                raise SystemExit(f"{archive}: missing; run the step `fetch` first")
            for document in documents_of(source, archive, seen, contamination, report):
                out.write(json.dumps(document, ensure_ascii=False) + "\n")
    partial.replace(target)
    (options.work / "documents-report.json").write_text(json.dumps(dict(sorted(report.items())), indent=2) + "\n")
    print(json.dumps(dict(sorted(report.items())), indent=2))


class Seen:
    """Lines of the documents kept so far. Finds copies and near copies, such as one module built for two module systems."""

    def __init__(self) -> None:
        self._lines: set[int] = set()

    def is_copy(self, text: str) -> bool:
        """Whether most of the long lines occurred before; if not, they count as seen from now on."""
        lines = {hash(line) for each in text.split("\n") if len(line := each.strip()) >= 24}
        if not lines or len(lines & self._lines) > MAX_SEEN * len(lines):
            return True
        self._lines |= lines
        return False


def documents_of(
    source: Source, archive: Path, seen: Seen, contamination: Contamination, report: Counter[str]
) -> Iterator[dict[str, object]]:
    """The documents of one package, sources before what may be built from them."""
    split = "valid" if is_validation(source) else "train"
    taken: Counter[str] = Counter()
    for path, content in sorted(members(archive), key=lambda member: (built_last(member[0]), shuffled(member[0]))):
        language = language_of(path)
        if language is None or (text := clean(content)) is None:
            report["left out: other, generated, a table, too long or too short"] += 1
            continue
        share = chinese_share(text)
        if DECLARATIONS.search(path) and share < CHINESE_CODE:
            report["left out: other, generated, a table, too long or too short"] += 1
            continue
        if language == "markdown" and share >= CHINESE_PROSE:
            language = "chinese"
        if taken[language] + len(text) > PACKAGE_LIMIT:
            report["left out: enough of this package"] += 1
        elif seen.is_copy(text):
            report["left out: a copy"] += 1
        elif (reason := contamination.reason(text)) is not None:
            report[f"left out: contamination, {reason}"] += 1
        else:
            taken[language] += len(text)
            report[f"kept: {split}, {language}"] += 1
            report[f"characters: {split}, {language}"] += len(text)
            yield {
                "source": source.key,
                "version": source.version,
                "licence": source.licence,
                "language": language,
                "chinese": share >= CHINESE_CODE,
                "split": split,
                "path": shown_path(path),
                "repo": re.sub(r"^(golang-github|librust)-|-dev$", "", source.name.rpartition("/")[2]),
                "text": text,
            }


def is_validation(source: Source) -> bool:
    return int(hashlib.sha256(source.key.encode()).hexdigest(), 16) % VALIDATION_EVERY == 0


def built_last(path: str) -> bool:
    return not re.search(r"(^|/)(src|source)/|\.(py|tsx?|go|rs|java|c|h)$", path)


def shuffled(path: str) -> str:
    """An order that is the same everywhere and takes no folder first, as a package may be cut off by its limit."""
    return hashlib.sha256(path.encode()).hexdigest()


def shown_path(path: str) -> str:
    """The path as a project would have it, without the folders that packaging adds."""
    return re.sub(r"^usr/(share/(gocode/src|cargo/registry|doc|lib)|include|lib)/[^/]*/?", "", path) or path


if __name__ == "__main__":
    main()
