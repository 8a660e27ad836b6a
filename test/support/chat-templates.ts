/** Chat templates to render, and what comes out of them. */
import { renderTemplate, type TemplateMessage } from "../../src/continuation/chat-template.ts";
import { type LoweredPart, mergeTexts } from "../../src/continuation/prompt.ts";

/** Templates in the manner of well-known families, each with the peculiarity that matters here. */
export const TEMPLATES = {
  /** Headers, trimming, the beginning of text inside the first turn. */
  llama3:
    "{% for m in messages %}{% set turn = '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' %}" +
    "{% if loop.index0 == 0 %}{% set turn = bos_token + turn %}{% endif %}{{ turn }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
  /** Strict alternation, no system role, no open assistant turn. */
  mistral:
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}" +
    "{{ raise_exception('Roles must alternate user/assistant') }}{% endif %}" +
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}",
  /** A line per header, ends after each content, unknown roles left out. */
  zephyr:
    "{% for m in messages %}\n{% if m['role'] == 'user' %}\n{{ '<|user|>\\n' + m['content'] + eos_token }}\n" +
    "{% elif m['role'] == 'system' %}\n{{ '<|system|>\\n' + m['content'] + eos_token }}\n" +
    "{% elif m['role'] == 'assistant' %}\n{{ '<|assistant|>\\n' + m['content'] + eos_token }}\n{% endif %}\n" +
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
  /** Says who it is unless the caller does. */
  deepSeekCoder:
    "{%- set ns = namespace(found=false) -%}{%- for m in messages -%}{%- if m['role'] == 'system' -%}{%- set ns.found = true -%}{%- endif -%}{%- endfor -%}" +
    "{{ bos_token }}{%- if not ns.found -%}{{ 'You are a programming assistant and refuse everything else.\\n' }}{%- endif %}" +
    "{%- for m in messages %}{%- if m['role'] == 'system' %}{{ m['content'] }}{%- elif m['role'] == 'user' %}" +
    "{{ '### Instruction:\\n' + m['content'] + '\\n' }}{%- else %}{{ '### Response:\\n' + m['content'] + '\\n<|EOT|>\\n' }}{%- endif %}{%- endfor %}" +
    "{% if add_generation_prompt %}{{ '### Response:' }}{% endif %}",
  /** Refuses system messages, renames the assistant, trims. */
  gemma:
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" +
    "{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}" +
    "{{ '<start_of_turn>' + role + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
  /** The system message lives inside the first question, with a default one. */
  llama2:
    "{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set system = messages[0]['content'] %}" +
    "{% else %}{% set turns = messages %}{% set system = 'Always be helpful.' %}{% endif %}" +
    "{% for m in turns %}{% if loop.index0 == 0 %}{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + m['content'] %}" +
    "{% else %}{% set content = m['content'] %}{% endif %}" +
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + content | trim + ' [/INST]' }}{% else %}{{ ' ' + content | trim + ' ' + eos_token }}{% endif %}{% endfor %}",
} as const;

/** Templates with the marks of ChatML. */
export const CHATML_TEMPLATES = {
  /** As Qwen2.5's: a dialogue without a system message gets one. */
  inventing:
    "{%- if messages[0].role != 'system' %}{{- '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{%- endif %}" +
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}",
  /** As Phi-4's: another mark behind the role, and no line breaks. */
  separating:
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '<|im_sep|>' + m.content + '<|im_end|>' }}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant<|im_sep|>' }}{%- endif %}",
} as const;

/** Every control token that a template of `TEMPLATES` writes. */
export const CONTROLS = new Set([
  "<s>",
  "</s>",
  "<|begin_of_text|>",
  "<|start_header_id|>",
  "<|end_header_id|>",
  "<|eot_id|>",
  "<|EOT|>",
  "<start_of_turn>",
  "<end_of_turn>",
]);

/** What the templates begin and end texts with. */
export const TOKENS = { bos: "<s>", eos: "</s>" };

export type Turn = readonly [role: string, content: string];

export function messagesOf(turns: readonly Turn[]): readonly TemplateMessage[] {
  return turns.map(([role, content]) => ({ role, content: [{ text: content }] }));
}

/** What a conversation becomes, neighbouring texts joined. */
export function render(template: string, turns: readonly Turn[]): readonly LoweredPart[] {
  return mergeTexts(renderTemplate(template, messagesOf(turns), CONTROLS, TOKENS).parts);
}

/** Parts as one text, control tokens spelt. */
export function joined(parts: readonly LoweredPart[]): string {
  return parts.map((part) => ("text" in part ? part.text : "control" in part ? part.control : "?")).join("");
}

/** The shortest conversation. */
export const HI: readonly Turn[] = [["user", "Hi"]];
