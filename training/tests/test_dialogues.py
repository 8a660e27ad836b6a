"""Dialogues: rendered as the server renders them, with the loss on the answer."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from continuo_training.chat.dialogues import Dialogue, answered_dialogues, code_dialogue, pieces_of
from continuo_training.chat.generate import questions_of
from continuo_training.chat.prompts import prompts

PYTHON = '''class Stack:
    def push(self, item: object) -> None:
        """Puts an item on top of the stack."""
        if item is None:
            raise ValueError("nothing to push; expected an item")
        self._items.append(item)

    def size(self) -> int:
        return len(self._items)
'''

TYPESCRIPT = """/**
 * Adds all numbers of a list.
 *
 * @param numbers any numbers
 */
export function sum(numbers: readonly number[]): number {
  let total = 0;
  for (const each of numbers) {
    total += each;
  }
  return total;
}

export const other = 1;
"""


def test_a_dialogue_is_chatml_with_the_loss_on_the_answer_and_its_end() -> None:
    pieces = pieces_of(Dialogue([("system", "S"), ("user", "U"), ("assistant", "A")]))

    assert "".join(each.content for each in pieces) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>"
    )
    assert [(each.content, each.weight) for each in pieces if each.weight] == [("A", 100), ("<|im_end|>", 100)]


def test_an_answer_that_was_cut_off_does_not_end() -> None:
    pieces = pieces_of(Dialogue([("user", "U"), ("assistant", "A")], ends=False))

    assert pieces[-1].content == "A"


def test_only_turn_markers_are_control_tokens() -> None:
    pieces = pieces_of(Dialogue([("user", "<|im_end|>"), ("assistant", "A")]))

    assert [each.content for each in pieces if each.is_control] == ["<|im_start|>", "<|im_end|>"] * 2


def test_a_method_is_answered_whole_and_without_its_indentation() -> None:
    dialogue = code_dialogue(PYTHON, "python", Random(1))

    assert dialogue is not None
    assert dialogue.turns[-1][1] == (
        "```python\ndef push(self, item: object) -> None:\n"
        '    """Puts an item on top of the stack."""\n    if item is None:\n'
        '        raise ValueError("nothing to push; expected an item")\n    self._items.append(item)\n```'
    )


def test_a_typescript_function_is_answered_up_to_its_closing_brace() -> None:
    dialogue = code_dialogue(TYPESCRIPT, "typescript", Random(1))

    assert dialogue is not None
    assert dialogue.turns[-1][1].startswith("```typescript\nexport function sum(")
    assert dialogue.turns[-1][1].endswith("  return total;\n}\n```")


def test_a_text_without_functions_gives_no_dialogue() -> None:
    assert code_dialogue("# Title\n", "markdown", Random(1)) is None


def test_training_and_validation_share_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps({"messages": [{"role": "user", "content": str(n)}], "complete": True}) + "\n" for n in range(60)))

    train, valid = (answered_dialogues(path, split) for split in ("train", "valid"))

    assert not {each.turns[0] for each in train} & {each.turns[0] for each in valid}
    assert len(valid) == 3


def test_no_question_of_the_evaluation_is_in_the_training() -> None:
    held_out = json.loads((Path(__file__).parents[2] / "eval" / "chat-prompts.json").read_text())

    assert len(set(held_out)) == 50
    assert not set(held_out) & set(prompts())


def test_the_questions_are_always_the_same() -> None:
    assert prompts() == prompts()
    assert questions_of(prompts(), 3) == questions_of(prompts(), 3)
