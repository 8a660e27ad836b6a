#!/bin/sh
# The completions page's first request. Prints the answer's body.
curl -sS --fail-with-body -X POST "$CONTINUO_TEST_URL/compatible-mode/v1/completions" \
  -H "Authorization: Bearer $DASHSCOPE_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "qwen2.5-coder-32b-instruct",
    "prompt": "<|fim_prefix|>寫一個python的快速排序函數,def quick_sort(arr):<|fim_suffix|>"
}'
