import { fillsBy, type Peer } from "./peer.ts";

/** One line for people: what was found. */
export function describePeer(peer: Peer): string {
  const { program, model, contextTokens, chat, chatPrefix, slots } = peer;
  const fim = fillsBy(peer);
  const partial = peer.emulates?.prefixes === true ? "Partial Mode (emulated)" : "Partial Mode";
  return [
    `${program}, ${model}`,
    ...(contextTokens === undefined ? [] : [`${contextTokens} tokens`]),
    ...(slots === undefined ? [] : [`${slots} slots`]),
    fim === undefined ? "no fill-in-the-middle" : `fill-in-the-middle (${fim})`,
    chat ? (chatPrefix ? `chat and ${partial}` : "chat without Partial Mode") : "no chat",
  ].join(", ");
}
