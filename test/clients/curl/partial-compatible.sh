#!/bin/sh
# The Partial Mode page's request on the OpenAI-shaped route. Prints the answer's body.
curl -sS --fail-with-body -X POST "$CONTINUO_TEST_URL/compatible-mode/v1/chat/completions" \
  -H "Authorization: Bearer $DASHSCOPE_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "qwen-plus",
    "messages": [{
        "role": "user",
        "content": "请对“春天来了,大地”这句话进行续写,来表达春天的美好和作者的喜悦之情"
    },
    {
        "role": "assistant",
        "content": "春天来了,大地",
        "partial": true
    }]
}'
