import type { StartPart, StreamPart, UsagePart } from "../continuation/output.ts";
import type { RunningRequest } from "./running-requests.ts";

/** Of an answer whose engine had not begun. */
const NOTHING: UsagePart = {
  type: "usage",
  usage: { promptTokens: 0, completionTokens: 0, cachedPromptTokens: 0, source: "engine" },
};

/**
 * The parts of an answer of one choice until a newer request takes its place: then the engine stops, and the answer ends like
 * one that has reached its bound, with what there is of it and what that has cost. An error would make clients try again.
 *
 * @param open called once. @param start what it begins with where the engine has not begun.
 */
export async function* untilSuperseded(
  open: (signal: AbortSignal) => AsyncIterable<StreamPart>,
  request: RunningRequest,
  start: StartPart,
  signal: AbortSignal,
): AsyncGenerator<StreamPart> {
  let hasStarted = false;
  let hasFinished = false;
  let usage: UsagePart | undefined;
  try {
    for await (const part of open(AbortSignal.any([signal, request.signal]))) {
      if (part.type === "usage") {
        usage = part;
        continue;
      }
      hasStarted ||= part.type === "start";
      hasFinished ||= part.type === "finish";
      yield part;
    }
  } catch (error) {
    if (signal.aborted || !request.isSuperseded) {
      if (usage !== undefined) yield usage;
      throw error;
    }
    request.cut();
    if (!hasStarted) {
      yield start;
      usage = NOTHING;
    }
    if (!hasFinished) yield { type: "finish", choice: 0, reason: "length" };
  }
  if (usage !== undefined) yield usage;
}
