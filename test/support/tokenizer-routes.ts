/** `/tokenize` and `/detokenize` as vLLM and newer versions of SGLang have them. */
import { Template } from "@huggingface/jinja";
import { json, type PeerAnswer } from "./peer-server.ts";

/** Behind every code point. */
const FIRST_CONTROL = 0x110000;

export interface TokenizerRoutes {
  readonly routes: Readonly<Record<"POST /tokenize" | "POST /detokenize", PeerAnswer>>;
  /** A character is a token; a control token is one wherever it is spelt. */
  ids(text: string): readonly number[];
  spelled(ids: readonly number[]): string;
}

/** @param template what chats are rendered with; absent: chats are refused, as without a template. */
export function tokenizerRoutes(controls: readonly string[], template?: string): TokenizerRoutes {
  const escaped = controls.map((each) => each.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pieces = new RegExp([...escaped, "[^]"].join("|"), "gu");
  const ids = (text: string): readonly number[] =>
    (text.match(pieces) ?? []).map((piece) => {
      const at = controls.indexOf(piece);
      return at >= 0 ? FIRST_CONTROL + at : (piece.codePointAt(0) ?? 0);
    });
  const spelled = (tokens: readonly number[]): string =>
    tokens.map((id) => controls[id - FIRST_CONTROL] ?? String.fromCodePoint(id)).join("");
  const tokenize: PeerAnswer = (call, response) => {
    const { messages, prompt, chat_template_kwargs: told } = call.body;
    if (messages === undefined) return json({ tokens: ids(prompt) })(call, response);
    if (template === undefined) return json({ message: "no chat template" }, 400)(call, response);
    const given = { messages, add_generation_prompt: true, bos_token: "", eos_token: "", ...told };
    return json({ tokens: ids(new Template(template).render(given)) })(call, response);
  };
  const detokenize: PeerAnswer = (call, response) => json({ prompt: spelled(call.body.tokens) })(call, response);
  return { routes: { "POST /tokenize": tokenize, "POST /detokenize": detokenize }, ids, spelled };
}
