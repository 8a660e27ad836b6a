import { guessedPromptTokens } from "../../src/continuation/estimate.ts";
import { isObject, textIn } from "../../src/engines/remote/json.ts";
import { eventOf } from "../../src/engines/remote/openai-wire.ts";
import type { Adapter, Asked, Peer, Piece } from "../../src/engines/remote/peer.ts";
import { textPrompt } from "../../src/engines/remote/prompt.ts";
import { malformed } from "../../src/engines/remote/upstream-error.ts";
import { cannot, wishesOf } from "../../src/engines/remote/wishes.ts";

/** An engine that continues plain text: `POST /continue` answers with events such as `{"add": "text"}` and `{"end": "eos"}`. */
export const example: Adapter = {
  kind: "example",

  async probe(upstream, about, signal): Promise<Peer> {
    const id = await this.identify(upstream, about, signal);
    const weights = { id, controls: new Set<string>(), healing: false, templateTokens: { bos: "", eos: "" } };
    return { model: id, program: "example", identity: id, weights, chat: false, chatPrefix: false };
  },

  async identify(upstream, _about, signal) {
    const answer = await upstream.json("GET", `${upstream.address.root}/model`, 5_000, signal);
    const id = isObject(answer) ? textIn(answer, "name") : undefined;
    if (id === undefined) throw malformed(upstream.name, "no name at /model");
    return id;
  },

  async lower(request, peer, _about, { address }): Promise<Asked> {
    const { input, limits, shape, logprobs } = request;
    if (input.kind === "chat") throw cannot("chats", "messages");
    if (shape !== undefined) throw cannot("answers of a given shape", "grammar");
    if (logprobs !== undefined) throw cannot("log probabilities", "logprobs");
    if (limits.stopSequences.length > 0) throw cannot("stop by token ids", "stop");
    if ((limits.minTokens ?? 0) > 0) throw cannot("minimum number of tokens", "min_tokens");
    if (limits.ignoreEnds === true) throw cannot("answers beyond their end", "ignore_eos");
    const { fields, logitBias, ignored } = wishesOf(request, { temperature: "heat" });
    if (logitBias !== undefined) throw cannot("bias of single tokens", "logit_bias");
    const { text, ...prompt } = textPrompt(request, peer);
    const body = { text, ...fields, ...(limits.maxTokens !== undefined && { most: limits.maxTokens }) };
    return {
      ...prompt,
      path: `${address.root}/continue`,
      body,
      promptTokens: guessedPromptTokens(input),
      truncatedTokens: 0,
      ends: new Set<number>(),
      ignored: [...ignored, ...(limits.truncate ? ["truncate"] : [])],
    };
  },

  reader: ({ name }) => {
    return (event): Piece => {
      const said = eventOf(name, event);
      const [add, end] = [textIn(said, "add"), textIn(said, "end")];
      return {
        ...(add !== undefined && { text: add }),
        ...(end !== undefined && { finish: { reason: end === "eos" ? "stop" : "length", raw: end } }),
      };
    };
  },
};
