#!/usr/bin/env python3
"""Cuts the held-out set, `held-out.jsonl`, from the packages that `sources.json` names.

    python3 eval/build.py [--archives FOLDER] [--out FILE]

Needs Python 3.11 with pip, npm, and both registries, once: the archives are kept in FOLDER. Versions are pinned and the
seed is fixed, so the same file comes out every time. `README.md` says what the kinds of cases are.
"""

from __future__ import annotations

import argparse
import io
import json
import keyword
import math
import random
import re
import subprocess
import tarfile
import tokenize
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HERE = Path(__file__).resolve().parent
SEED = 20261122

#: Cases per language. Two languages make twice as many.
CASES = {"single-line": 90, "multi-line": 45, "random-span": 45, "mid-word": 45}
#: Characters of context at most; with the middle that is about 900 tokens.
PREFIX_CHARACTERS = 1600
SUFFIX_CHARACTERS = 600
#: Above this there is something to go by.
LEAST_PREFIX_CHARACTERS = 200
SPAN_CHARACTERS = (5, 120)
LINES = (2, 6)
#: Smaller files are lists of imports, larger ones tables.
FILE_CHARACTERS = (1_500, 200_000)
#: Tests, data, copies of other projects' code, lists of exports.
SKIPPED = re.compile(
    r"(^|/)(tests?|__tests__|testing|locales|data|pgen2)/|\.d\.ts$|\.test\.ts$|test\.ts$|(^|/)(index|lib\.dom|weekStartData)\.ts$"
    r"|/parso/python/(tokenize|token)\.py$|_version\.py$"
)

TYPESCRIPT_KEYWORDS = frozenset(
    """abstract any as async await boolean break case catch class const continue declare default delete do else enum
    export extends false finally for from function get if implements import in infer instanceof interface is keyof let
    namespace never new null number of private protected public readonly return set static string super switch symbol
    this throw true try type typeof undefined unknown var void while with yield""".split()
)
KEYWORDS = {"python": frozenset(keyword.kwlist), "typescript": TYPESCRIPT_KEYWORDS}
#: Strings and what follows a comment sign, in one line of either language.
NOT_CODE = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|(?:\#|//|/\*|^\s*\*).*""")
IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]{2,}")


@dataclass(frozen=True)
class SourceFile:
    """A file of a package; `code` are the numbers of the lines that are code."""

    package: str
    version: str
    language: str
    path: str
    text: str
    lines: tuple[str, ...]
    starts: tuple[int, ...]
    code: tuple[int, ...]


#: Where a gap begins and ends, in characters of the file, or None where the draw does not fit.
Gap = tuple[int, int] | None


def main() -> None:
    parser = argparse.ArgumentParser(description="Cuts the held-out set from its packages.")
    parser.add_argument("--archives", type=Path, default=HERE.parent / ".cache" / "eval", help="where archives are kept")
    parser.add_argument("--out", type=Path, default=HERE / "held-out.jsonl")
    options = parser.parse_args()
    sources = json.loads((HERE / "sources.json").read_text("utf-8"))["sources"]
    packages = [files_of(source, archive_of(source, options.archives)) for source in sources]
    cases = list(draw(packages))
    random.Random(SEED).shuffle(cases)  # so that the first few are a fair sample
    for number, case in enumerate(cases, start=1):
        case["id"] = f"held-out/{number:03}"
    options.out.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases), "utf-8")
    print(f"{options.out}: {len(cases)} cases of {len(packages)} packages")


def archive_of(source: dict[str, str], folder: Path) -> Path:
    """The package's archive, brought by the registry's own client unless it is there."""
    place = folder / source["registry"] / f"{source['name'].replace('/', '-')}-{source['version']}"
    if not place.exists():
        draft = place.with_name(place.name + ".part")
        draft.mkdir(parents=True, exist_ok=True)
        subprocess.run(fetch_command(source), cwd=draft, check=True, stdout=subprocess.DEVNULL)
        draft.rename(place)
    (archive,) = place.iterdir()
    return archive


def fetch_command(source: dict[str, str]) -> list[str]:
    name, version = source["name"], source["version"]
    if source["registry"] == "npm":
        return ["npm", "pack", "--silent", f"{name}@{version}"]
    wheel = ["--only-binary=:all:", "--platform=manylinux2014_x86_64", "--python-version=3.11"]
    return ["python3", "-m", "pip", "download", "--quiet", "--no-deps", *wheel, f"{name}=={version}"]


def files_of(source: dict[str, str], archive: Path) -> list[SourceFile]:
    """The package's files that cases are cut from, sorted by path."""
    language, ending = ("python", ".py") if source["registry"] == "pypi" else ("typescript", ".ts")
    files = []
    for path, data in sorted(members(archive)):
        if not path.endswith(ending) or SKIPPED.search(path):
            continue
        text = data.decode("utf-8").replace("\r\n", "\n")
        if FILE_CHARACTERS[0] <= len(text) <= FILE_CHARACTERS[1] and "\r" not in text:
            files.append(source_file(source, language, path, text))
    return files


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist() if not name.endswith("/"))
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                yield str(PurePosixPath(*PurePosixPath(member.name).parts[1:])), content.read()


def source_file(source: dict[str, str], language: str, path: str, text: str) -> SourceFile:
    lines = tuple(text.split("\n"))
    starts = tuple(sum_before(len(line) + 1 for line in lines))
    is_code = python_code(text) if language == "python" else typescript_code(lines)
    code = tuple(number for number, line in enumerate(lines) if number in is_code and is_telling(line))
    return SourceFile(source["name"], source["version"], language, path, text, lines, starts, code)


def sum_before(values: Iterator[int]) -> Iterator[int]:
    total = 0
    for value in values:
        yield total
        total += value


def is_telling(line: str) -> bool:
    """At least three characters that are not blank, one of them a letter."""
    return len("".join(line.split())) >= 3 and any(character.isalpha() for character in line)


def python_code(text: str) -> set[int]:
    """Numbers of the lines with code on them: not only a comment, no line of a string over several lines, no docstring."""
    code: set[int] = set()
    strings: set[int] = set()
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        first, last = token.start[0] - 1, token.end[0] - 1
        is_docstring = token.type == tokenize.STRING and token.line.lstrip(" \trRbB").startswith(('"""', "'''"))
        if first != last or is_docstring:
            strings.update(range(first, last + 1))
        elif token.type not in layout:
            code.add(first)
    return code - strings


def typescript_code(lines: tuple[str, ...]) -> set[int]:
    """Numbers of the lines that are no comments; a comment over several lines begins at the beginning of a line."""
    code: set[int] = set()
    in_comment = False
    for number, line in enumerate(lines):
        stripped = line.strip()
        in_comment = in_comment or stripped.startswith("/*")
        if not in_comment and not stripped.startswith("//"):
            code.add(number)
        if "*/" in stripped:
            in_comment = False
    return code


def draw(packages: list[list[SourceFile]]) -> Iterator[dict[str, str]]:
    """Every package gives as many cases as any other of its language; within it, every line of code is as likely."""
    for language in KEYWORDS:
        groups = [files for files in packages if files and files[0].language == language]
        for kind, count in CASES.items():
            # A stream of its own per language and kind: more cases of one kind leave the others as they are.
            dice = random.Random(f"{SEED} {language} {kind}")
            taken: set[tuple[str, int]] = set()
            for index in range(count):
                yield draw_one(groups[index % len(groups)], kind, dice, taken)


def draw_one(
    files: list[SourceFile], kind: str, dice: random.Random, taken: set[tuple[str, int]]
) -> dict[str, str]:
    while True:
        file = dice.choices(files, [len(file.code) for file in files])[0]
        line = dice.choice(file.code)
        gap = GAPS[kind](file, line, dice)
        if gap is None or (file.path, line) in taken:
            continue
        case = case_of(file, kind, gap)
        if len(case["prefix"].strip()) >= LEAST_PREFIX_CHARACTERS:
            taken.add((file.path, line))
            return case


def after_indentation(file: SourceFile, line: int) -> int:
    text = file.lines[line]
    return file.starts[line] + len(text) - len(text.lstrip())


def end_of(file: SourceFile, line: int) -> int:
    return file.starts[line] + len(file.lines[line])


def single_line(file: SourceFile, line: int, _dice: random.Random) -> Gap:
    return after_indentation(file, line), end_of(file, line)


def multi_line(file: SourceFile, line: int, dice: random.Random) -> Gap:
    last = line + dice.randint(*LINES) - 1
    return (after_indentation(file, line), end_of(file, last)) if last in file.code else None


def random_span(file: SourceFile, line: int, dice: random.Random) -> Gap:
    """Lengths are even on a logarithmic scale: short gaps are what people leave."""
    start = file.starts[line] + dice.randrange(len(file.lines[line]))
    shortest, longest = SPAN_CHARACTERS
    end = start + round(math.exp(dice.uniform(math.log(shortest), math.log(longest))))
    return (start, end) if end < len(file.text) and is_telling(file.text[start:end]) else None


def mid_word(file: SourceFile, line: int, dice: random.Random) -> Gap:
    """At least two characters of the word are typed, at least one is not."""
    code = NOT_CODE.sub(lambda match: " " * len(match.group()), file.lines[line])
    words = [word for word in IDENTIFIER.finditer(code) if word.group() not in KEYWORDS[file.language]]
    if not words:
        return None
    word = dice.choice(words)
    return file.starts[line] + dice.randint(word.start() + 2, word.end() - 1), end_of(file, line)


GAPS: dict[str, Callable[[SourceFile, int, random.Random], Gap]] = {
    "single-line": single_line,
    "multi-line": multi_line,
    "random-span": random_span,
    "mid-word": mid_word,
}


def case_of(file: SourceFile, kind: str, gap: tuple[int, int]) -> dict[str, str]:
    start, end = gap
    return {
        "id": "",
        "language": file.language,
        "kind": kind,
        "source": file.package,
        "version": file.version,
        "path": file.path,
        "prefix": prefix_before(file.text, start),
        "middle": file.text[start:end],
        "suffix": suffix_after(file.text, end),
    }


def prefix_before(text: str, end: int) -> str:
    """At most `PREFIX_CHARACTERS`, from the start of a line."""
    start = max(0, end - PREFIX_CHARACTERS)
    if start > 0:
        start = text.find("\n", start - 1, end) + 1 or start
    return text[start:end]


def suffix_after(text: str, start: int) -> str:
    """At most `SUFFIX_CHARACTERS`, to the end of a line."""
    end = start + SUFFIX_CHARACTERS
    if end < len(text):
        end = text.rfind("\n", start, end) + 1 or end
    return text[start:end]


if __name__ == "__main__":
    main()
