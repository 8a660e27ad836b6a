"""Partial Mode streamed through the DashScope SDK, once with increments and once with whole texts: both must agree."""

import os
import sys

import dashscope

dashscope.base_http_api_url = os.environ["CONTINUO_TEST_URL"] + "/api/v1"


def stream(incremental: bool) -> list[str]:
    pieces = []
    for event in dashscope.Generation.call(
        api_key=os.environ["DASHSCOPE_API_KEY"],
        model="qwen-plus",
        messages=[
            {"role": "user", "content": "What is the capital of France?"},
            {"role": "assistant", "content": "The capital of France is", "partial": True},
        ],
        result_format="message",
        stream=True,
        incremental_output=incremental,
        temperature=0,
        max_tokens=24,
    ):
        if event.status_code != 200:
            sys.exit(f"{event.status_code} {event.code}: {event.message}")
        pieces.append(event.output.choices[0].message.content)
    return pieces


joined = "".join(stream(True))
whole = stream(False)[-1]
if joined != whole:
    sys.exit(f"increments join to {joined!r}, the last whole text is {whole!r}")
print(whole, end="")
