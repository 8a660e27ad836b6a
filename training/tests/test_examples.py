"""The step that makes examples, on a few documents and a tiny vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_base import write_tiny_base

from continuo_training.dataset import ExampleReader
from continuo_training.examples import FORMS, MAX_TOKENS, chinese_comments, main

FUNCTION = '''def add{number}(a: int, b: int) -> int:
    """Adds two numbers after it has looked at both."""
    if a < 0 or b < 0:
        raise ValueError("bad")
    total = a + b
    return total


'''


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONTINUO_BASE", str(write_tiny_base(tmp_path / "base.gguf").path))
    about = {"language": "python", "chinese": False, "repo": "shop"}
    documents = [
        about | {"text": "".join(FUNCTION.format(number=f"{name}{each}") for each in range(8)), "path": f"{name}.py", "source": split, "split": split}
        for split in ("train", "valid")
        for name in "abc"
    ]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(each) + "\n" for each in documents))
    return tmp_path


def made(work: Path, *options: str) -> tuple[ExampleReader, dict]:
    main(["--work", str(work), "--tokens", "100000", *options])
    return ExampleReader(work / "examples" / "train"), json.loads((work / "examples" / "report.json").read_text())


def test_each_form_has_its_share_of_the_tokens(work: Path) -> None:
    reader, report = made(work)

    kinds = np.array(reader.kinds)
    forms = {
        "chat": np.char.startswith(kinds, "chat-"),
        "plain": kinds == "plain",
        "tree": np.char.startswith(kinds, "tree-"),
    }
    forms["single"] = ~(forms["chat"] | forms["plain"] | forms["tree"])
    total = reader.lengths.sum()
    assert {form: reader.lengths[chosen].sum() / total for form, chosen in forms.items()} == pytest.approx(FORMS, abs=0.02)
    assert [len(reader.branches(index)) > 0 for index in range(len(reader))] == forms["tree"].tolist()
    assert reader.lengths.max() <= MAX_TOKENS
    assert report["train"]["branches"] == sum(len(reader.branches(index)) for index in range(len(reader)))


def test_trees_ask_for_more_of_their_tokens(work: Path) -> None:
    _, report = made(work)

    asked = report["asked for, train"]
    assert asked["kind tree-psm-line"] > 1.5 * asked["kind line-spm"]
    assert asked["kind plain"] == 0


def test_single_makes_no_trees(work: Path) -> None:
    reader, report = made(work, "--single")

    assert report["train"]["branches"] == 0
    assert not any(kind.startswith("tree") for kind in reader.kinds)


def test_the_same_seed_makes_the_same(work: Path) -> None:
    first, _ = made(work, "--out", str(work / "examples"))
    tokens = np.concatenate([first[index][0] for index in range(len(first))])
    again, _ = made(work)

    np.testing.assert_array_equal(np.concatenate([again[index][0] for index in range(len(again))]), tokens)


def test_some_examples_leave_a_body_to_be_written(work: Path) -> None:
    _, report = made(work)

    assert report["train"]["kind body-spm"] > 0


def test_chinese_comments_are_taken_without_their_marks() -> None:
    text = "/**\n * 返回两个数的和\n */\n  // 注意：不会检查参数 int\nconst name = '名'; // the name of 名\n# short 名"

    assert chinese_comments(text) == ["返回两个数的和", "注意：不会检查参数 int"]
