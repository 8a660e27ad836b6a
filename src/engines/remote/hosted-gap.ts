import type { FimLayout } from "../../continuation/fim.ts";
import { gapBetween } from "../../continuation/gap/gap-end.ts";
import type { Infill, PromptPart } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import type { Asked, Peer } from "./peer.ts";
import { textPrompt } from "./prompt.ts";
import { cannot } from "./wishes.ts";

/**
 * How a service takes a text with a gap: the text behind it as `suffix`; the layout that the operator names, written by us;
 * or a template, in which even a plain text stands.
 */
export type Gap = "suffix" | "layout" | { readonly template: FimLayout };

type Prompted = Pick<Asked, "body" | "countOffset" | "gap">;

/** The prompt of a text or of a gap. Throws `unsupported_input`. */
export function gapPrompt(request: ContinuationRequest, peer: Peer, gap: Gap | undefined): Prompted {
  const { input } = request;
  if (input.kind === "infill" && peer.takesSuffix === true) return suffixPrompt(input);
  if (typeof gap === "object" && peer.weights.fim !== undefined) return templatePrompt(request, peer, gap.template);
  return written(request, peer);
}

function written(request: ContinuationRequest, peer: Peer): Prompted {
  const { text, ...prompt } = textPrompt(request, peer);
  return { body: { prompt: text }, ...prompt };
}

function suffixPrompt({ context, prefix, middle, suffix }: Infill): Prompted {
  const prompt = context.map(plain).join("") + prefix + middle;
  return {
    body: { prompt, ...(suffix !== "" && { suffix }) },
    countOffset: 0, // which markers are in its count is told by nobody
    gap: { ...gapBetween(prefix + middle, suffix), endBias: 0, byDefault: true },
  };
}

/** Other files stand before the prefix as text; their markers have no place there. */
function plain(part: PromptPart): string {
  if ("text" in part) return part.text;
  throw cannot(`way to take ${part.control} beside a suffix`, "prompt");
}

/** The template of a text without anything behind it has no marker for the middle. */
function templatePrompt(request: ContinuationRequest, peer: Peer, template: FimLayout): Prompted {
  const { middle } = template;
  const { input } = request;
  if (input.kind === "text" && input.parts.every((part) => "text" in part)) {
    const prefix = input.parts.map((part) => ("text" in part ? part.text : "")).join("");
    const infill: Infill = { kind: "infill", context: [], prefix, suffix: "", middle: "", writtenMarkers: 0 };
    const { body, countOffset } = templatePrompt({ ...request, input: infill }, peer, template);
    return { body, countOffset };
  }
  const prompted = written(request, peer);
  const { prompt } = prompted.body;
  const isOpen = input.kind === "infill" && input.suffix === "" && input.middle === "";
  if (!isOpen || middle === undefined || typeof prompt !== "string" || !prompt.endsWith(middle)) return prompted;
  return {
    ...prompted,
    body: { prompt: prompt.slice(0, -middle.length) },
    countOffset: prompted.countOffset + 1,
  };
}
