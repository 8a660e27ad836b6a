"""The whole way from packages to an evaluated model, in minutes on two cores: three packages, a few updates of two layers.

    training/run smoke

The model it makes is worth nothing; that every step takes what the one before left is what it shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

from .base import default_base
from .quantise import LIMIT_BYTES

ROOT = Path(__file__).resolve().parents[2]

#: Small ones: Python and JavaScript to train on, and one whose place in the list makes it validation.
PACKAGES = ["pypi:asgiref", "npm:express", "pypi:freezegun"]

#: Cases of the held-out set that the result is asked.
CASES = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="training/run smoke", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(".cache/training/smoke"), help="emptied first, but for packages")
    parser.add_argument("--minutes", type=float, default=10, help="fails when it takes longer (default: %(default)s)")
    options = parser.parse_args()
    started = time.monotonic()
    work = options.work
    for folder in ("examples", "run"):
        shutil.rmtree(work / folder, ignore_errors=True)
    model = work / "model.gguf"
    step("fetch", "--only", *PACKAGES, "--work", work)
    step("documents", "--only", *PACKAGES, "--work", work)
    step("examples", "--tokens", 60_000, "--work", work)
    size = ["--batch", 400, "--attention-from", 28, "--rounded", "--valid-tokens", 1_000, "--report", 1]
    step("train", "--until", 2_000, *size, "--work", work)
    step("train", "--until", 2_500, *size, "--work", work)  # goes on
    step("convert", "--work", work)
    step("quantise", "--work", work, "--out", model)
    step("check", "--work", work, "--tokens", 400, "--quantised", model)
    evaluated = evaluate(model)
    seconds = time.monotonic() - started
    before, *_, after = validations(work / "run" / "log.jsonl")
    expect(after < before, f"the validation loss, {before:.4f} before training, is {after:.4f} behind it")
    expect(model.stat().st_size <= LIMIT_BYTES, f"{model} has {model.stat().st_size:,} bytes, more than {LIMIT_BYTES:,}")
    expect(evaluated == CASES, f"{evaluated} of {CASES} cases were answered")
    expect(seconds < options.minutes * 60, f"took {seconds:.0f} s, more than {options.minutes:g} minutes")
    print(f"from packages to an evaluated model in {seconds:.0f} s")


def step(name: str, *arguments: object) -> None:
    """Runs another step as a user would, in a process of its own."""
    command = [sys.executable, "-m", f"continuo_training.{name}", *map(str, arguments)]
    print(f"-- {name} {' '.join(map(str, arguments))}", flush=True)
    started = time.monotonic()
    done = subprocess.run(command)
    expect(done.returncode == 0, f"the step {name} ended with code {done.returncode}")
    print(f"-- {name}: {time.monotonic() - started:.0f} s", flush=True)


def validations(log: Path) -> list[float]:
    """The mean over all kinds of each validation."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [mean(line["valid"].values()) for line in lines if "valid" in line]


def evaluate(model: Path) -> int:
    """Cases that the model answered through the program's own evaluation."""
    answers = model.with_name("answers.jsonl")
    limits = ["--limit", str(CASES), "--style", "suffix", "--out", str(answers)]
    subprocess.run([str(ROOT / "training" / "run"), "evaluate", "--model-file", str(model), *limits], check=True)
    return len(answers.read_text().splitlines())


def expect(fact: bool, otherwise: str) -> None:
    if not fact:
        raise SystemExit(f"smoke: {otherwise}")


if __name__ == "__main__":
    main()
