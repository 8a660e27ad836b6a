"""Answers of the base model to the prompts of `prompts`, through a server that runs it.

    training/run chat --server http://localhost:8080 [--count 800] [--work .cache/training/work]

The server gets ChatML text on /v1/completions, so that no template adds a system message. Answers are appended to
WORK/chat-answers.jsonl; a later run goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from random import Random
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .prompts import SYSTEMS, prompts

#: One dialogue in so many has a system message.
SYSTEM_EVERY = 3

MAX_ANSWER_TOKENS = 220

#: Seconds for one answer on a machine that is busy with other things.
TIMEOUT_S = 300


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="chat", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="base URL of a server that runs the base model")
    parser.add_argument("--count", type=int, default=800, help="answers to have in the end (default: %(default)s)")
    parser.add_argument("--parallel", type=int, default=8, help="requests at a time (default: %(default)s)")
    parser.add_argument("--model", default="base", help="model name the server expects (default: %(default)s)")
    parser.add_argument("--prompts", type=Path, help="JSON list of prompts to answer instead, none with a system message")
    parser.add_argument("--out", type=Path, help="file for the answers (default: WORK/chat-answers.jsonl)")
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="work folder (default: %(default)s)")
    options = parser.parse_args(arguments)
    target = options.out or options.work / "chat-answers.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    dialogues = questions_of(json.loads(options.prompts.read_text()), 0) if options.prompts else questions_of(prompts(), SYSTEM_EVERY)
    wanted = dialogues[: options.count]
    done = {question_of(json.loads(line)["messages"]) for line in target.read_text().splitlines()} if target.exists() else set()
    waiting = [messages for messages in wanted if question_of(messages) not in done]
    with ThreadPoolExecutor(options.parallel) as pool, target.open("a", buffering=1) as out:
        asked = [pool.submit(answered, messages, options.server, options.model) for messages in waiting]
        for answer in as_completed(asked):
            try:
                out.write(json.dumps(answer.result(), ensure_ascii=False) + "\n")
            except HTTPError as refusal:  # one answer less; a later run asks again
                print(f"{refusal.url} answered {refusal.code}: {refusal.read().decode()[:200]}", file=sys.stderr)


def question_of(messages: Sequence[dict[str, str]]) -> str:
    """What tells dialogues apart: no question is asked twice."""
    return next(turn["content"] for turn in messages if turn["role"] == "user")


def questions_of(texts: Sequence[str], system_every: int) -> list[list[dict[str, str]]]:
    """Dialogues that wait for an answer; every so many begins with a system message."""
    random = Random(2)
    made = []
    for number, text in enumerate(texts):
        system = [{"role": "system", "content": random.choice(SYSTEMS)}] if system_every and number % system_every == 0 else []
        made.append([*system, {"role": "user", "content": text}])
    return made


def answered(messages: list[dict[str, str]], server: str, model: str) -> dict[str, object]:
    """The dialogue with its answer, and whether the answer came to an end by itself."""
    prompt = "".join(f"<|im_start|>{each['role']}\n{each['content']}<|im_end|>\n" for each in messages) + "<|im_start|>assistant\n"
    body = {
        "model": model, "prompt": prompt, "max_tokens": MAX_ANSWER_TOKENS, "temperature": 0.7, "top_p": 0.9, "seed": 1,
    }  # fmt: skip
    request = Request(f"{server}/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=TIMEOUT_S) as response:
        choice = json.load(response)["choices"][0]
    return {
        "messages": [*messages, {"role": "assistant", "content": choice["text"]}],
        "complete": choice["finish_reason"] == "stop",
    }


if __name__ == "__main__":
    main()
