import type { Peer } from "./peer.ts";

/** One line for people: what was found. */
export function describePeer({ program, model, contextTokens, weights, chat, chatPrefix, slots }: Peer): string {
  return [
    `${program}, ${model}`,
    ...(contextTokens === undefined ? [] : [`${contextTokens} tokens`]),
    ...(slots === undefined ? [] : [`${slots} slots`]),
    weights.fim === undefined ? "no fill-in-the-middle" : `fill-in-the-middle (${weights.fim.family})`,
    chat ? (chatPrefix ? "chat and Partial Mode" : "chat without Partial Mode") : "no chat",
  ].join(", ");
}
