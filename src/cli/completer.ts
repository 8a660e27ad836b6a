import type { Complete } from "../eval/run.ts";
import { type Service, streamFrom } from "./client.ts";

/** Completions of one model, streamed, with the times at which text came. */
export function completerOf(service: Service, model: string): Complete {
  return async (body, signal) => {
    const startedMs = performance.now();
    const request = {
      path: "/v1/completions",
      body: { model, ...body, stream_options: { include_usage: true } },
    } as const;
    const times: number[] = [];
    let [text, finish, counted]: [string, string | undefined, number | undefined] = ["", undefined, undefined];
    for await (const piece of streamFrom(service, request, signal)) {
      if ("usage" in piece) counted = piece.usage.completion;
      else if ("finish" in piece) finish = piece.finish;
      else if (piece.text !== "") {
        text += piece.text;
        times.push(performance.now() - startedMs);
      }
    }
    const firstMs = times[0] ?? performance.now() - startedMs;
    return { text, finish, firstMs, lastMs: times.at(-1) ?? firstMs, tokens: counted ?? times.length };
  };
}
