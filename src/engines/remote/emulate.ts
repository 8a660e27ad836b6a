/** Asks by instructions for what an engine has no way of its own for: any adapter, where the operator says `emulate: true`. */
import { Cleanup, type Surrounding } from "../../continuation/emulation/cleanup.ts";
import { askedToFill, askedToGoOn } from "../../continuation/emulation/instruct.ts";
import { gapBetween } from "../../continuation/gap/gap-end.ts";
import type { Infill } from "../../continuation/input.ts";
import type { LoweredGap } from "../../continuation/prompt.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { type Adapter, fillsBy, type Peer, type PieceReader } from "./peer.ts";
import { cannot, refuseShapeBehindPrefix } from "./wishes.ts";

export function emulating(adapter: Adapter): Adapter {
  return {
    kind: adapter.kind,
    ...(adapter.hosts !== undefined && { hosts: adapter.hosts }),
    probe: async (upstream, about, signal) => withEmulation(await adapter.probe(upstream, about, signal)),
    identify: (upstream, about, signal) => adapter.identify(upstream, about, signal),
    lower: async (request, peer, about, upstream, signal) => {
      const plan = planOf(request, peer);
      if (plan === undefined) return adapter.lower(request, peer, about, upstream, signal);
      const { thought: _, ...asked } = await adapter.lower(plan.request, peer, about, upstream, signal);
      return { ...asked, guarantee: "emulated", ...(plan.gap !== undefined && { gap: plan.gap }) };
    },
    reader: (upstream, peer, request) => {
      const plan = planOf(request, peer);
      if (plan === undefined) return adapter.reader(upstream, peer, request);
      return cleaned(adapter.reader(upstream, peer, plan.request), plan.around);
    },
  };
}

/** What the engine cannot do and is asked for all the same. */
function withEmulation(peer: Peer): Peer {
  if (!peer.chat) return peer;
  const gaps = fillsBy(peer) === undefined;
  return {
    ...peer,
    chatPrefix: true,
    emulates: { gaps, texts: gaps && peer.chatOnly === true, prefixes: !peer.chatPrefix },
  };
}

interface Plan {
  /** A chat without a prefix. */
  readonly request: ContinuationRequest;
  readonly around: Surrounding;
  readonly gap?: LoweredGap;
}

/** Undefined: the engine has a way of its own. Throws `unsupported_input` for what an instruction cannot ask for. */
function planOf(request: ContinuationRequest, { emulates }: Peer): Plan | undefined {
  const { input } = request;
  const prefix = input.kind === "chat" ? (input.assistantPrefix ?? "") : "";
  if (input.kind === "chat" && prefix !== "" && emulates?.prefixes === true) {
    refuseShapeBehindPrefix(request);
    const around = { before: prefix, suffix: "", isBare: false };
    return { request: instructed(request, askedToGoOn(input, prefix)), around };
  }
  const gap = emulates === undefined ? undefined : gapIn(request, emulates);
  if (gap === undefined) return undefined;
  if (request.shape !== undefined) throw cannot("answers of a given shape where it is asked by instruction", "grammar");
  const before = gap.prefix + gap.middle;
  return {
    request: instructed(request, askedToFill(gap)),
    around: { before, suffix: gap.suffix, isBare: true },
    gap: { ...gapBetween(before, gap.suffix), endBias: 0, byDefault: true },
  };
}

type Gap = Pick<Infill, "context" | "prefix" | "middle" | "suffix">;

function gapIn({ input }: ContinuationRequest, { gaps, texts }: NonNullable<Peer["emulates"]>): Gap | undefined {
  if (input.kind === "infill") return gaps ? input : undefined;
  if (input.kind !== "text" || !texts) return undefined;
  const prefix = input.parts.map((part) => ("text" in part ? part.text : undefined));
  if (prefix.includes(undefined)) throw cannot("way to take control tokens", "prompt");
  return { context: [], prefix: prefix.join(""), middle: "", suffix: "" };
}

/** Stops are looked for in the clean text: the engine would stop at the line break behind a fence. */
function instructed(request: ContinuationRequest, input: ContinuationRequest["input"]): ContinuationRequest {
  if (request.logprobs !== undefined) throw cannot("log probabilities where it is asked by instruction", "logprobs");
  return { ...request, input, limits: { ...request.limits, stopStrings: [] } };
}

function cleaned(read: PieceReader, around: Surrounding): PieceReader {
  const cleanup = new Cleanup(around);
  return (event) => {
    const { text: said, ...piece } = read(event);
    const text = cleanup.push(said ?? "") + (piece.finish === undefined ? "" : cleanup.end());
    // Whatever is said behind the fence is not waited for.
    const isEarly = cleanup.isOver && piece.finish === undefined;
    return {
      ...piece,
      ...((text !== "" || said !== undefined) && { text }),
      ...(isEarly && { finish: { reason: "stop" as const, raw: "fence", isCut: true as const } }),
    };
  };
}
