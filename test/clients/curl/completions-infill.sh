#!/bin/sh
# The completions page's second request. Prints the answer's body.
curl -sS --fail-with-body -X POST "$CONTINUO_TEST_URL/compatible-mode/v1/completions" \
  -H "Authorization: Bearer $DASHSCOPE_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "qwen2.5-coder-32b-instruct",
    "prompt": "<|fim_prefix|>def reverse_words_with_special_chars(s):\n\"\"\"\n反轉字串中的每個單詞(保留非字母字元的位置),並保持單詞順序。\n    樣本:\n    reverse_words_with_special_chars(\"Hello, world!\") -> \"olleH, dlrow!\"\n    參數:\n        s (str): 輸入字串(可能包含標點符號)\n    返回:\n        str: 處理後的字串,單詞反轉但非字母字元位置不變\n\"\"\"\n<|fim_suffix|>return result<|fim_middle|>"
}'
