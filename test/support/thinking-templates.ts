/** Templates of weights that think, in the manner of well-known families, each with the peculiarity that matters here. */

const CHATML_TURNS =
  "{%- for m in messages %}{%- if m.role == 'assistant' %}{{- '<|im_start|>assistant\\n' + m.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}" +
  "{%- else %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}";

const DEEPSEEK_TURNS =
  "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}" +
  "{% elif m['role'] == 'assistant' %}{{ '<｜Assistant｜>' + m['content'].split('</think>')[-1] + '<｜end▁of▁sentence｜>' }}" +
  "{% else %}{{ m['content'] }}{% endif %}{% endfor %}";

export const THINKING_TEMPLATES = {
  /** Qwen3: an empty thought where none is wanted. */
  qwen3:
    CHATML_TURNS +
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}" +
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}",
  /** Qwen3-Thinking-2507 and QwQ: the thought is open, whatever anybody wants. */
  qwen3Thinking: `${CHATML_TURNS}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}`,
  /** DeepSeek-R1 since February 2025: the same in another vocabulary. */
  r1: `${DEEPSEEK_TURNS}{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}`,
  /** The same, but for an answer to a tool. */
  r1Tools: `${DEEPSEEK_TURNS}{% if add_generation_prompt and messages[-1]['role'] != 'tool' %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}`,
  /** DeepSeek-R1 before: the weights begin the thought by themselves. */
  r1Silent: `${DEEPSEEK_TURNS}{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}`,
  /** DeepSeek-V3.1: one mark says either, by another name. */
  v31: `${DEEPSEEK_TURNS}{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% if thinking %}{{ '<think>' }}{% else %}{{ '</think>' }}{% endif %}{% endif %}`,
  /** Weights that are told in words, and write no mark. */
  spoken:
    "{% for m in messages %}{{ '[' + m.role + ']' + m.content.split('</think>')[-1] }}{% endfor %}" +
    "{% if not enable_thinking %}{{ '[no thought]' }}{% endif %}{{ '[assistant]' }}",
} as const;
