import { validateHeaderValue } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import type { Decoded } from "../protocols/protocol.ts";
import { answerHeaders, errorHeaders, headerValue } from "./headers.ts";

const start = { type: "start", model: "m", promptTokens: 1, truncatedTokens: 0, ignored: [] } as const;

function decodedIgnoring(ignored: readonly string[]): Decoded {
  const silent = () => "";
  const encoder = { part: silent, end: silent, failure: silent, whole: silent };
  return { requests: [], stream: false, ignored, wireName: (setting) => `wire_${setting}`, encoder };
}

test("any text becomes a valid header value of bounded length, and short text can be read back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 3000 }), (text) => {
      const value = headerValue(text);

      expect(() => validateHeaderValue("x", value)).not.toThrow();
      expect(value).toMatch(/^[ -~]*$/);
      expect(value.length).toBeLessThanOrEqual(2048);
      if (value.length < 2000) expect(decodeURIComponent(value)).toBe(text.replace(/^ +| +$/g, ""));
    }),
  );
});

test("names of ignored fields are told once each, commas within them encoded", () => {
  const headers = answerHeaders(decodedIgnoring(["user", "a,b", "user"]), { ...start, ignored: ["topK"] });

  expect(headers["x-continuo-ignored"]).toBe("user,a%2Cb,wire_topK");
});

test("what the answer promises about its prompt is told", () => {
  const headers = answerHeaders(decodedIgnoring([]), { ...start, guarantee: "emulated" });

  expect(headers["x-continuo-guarantee"]).toBe("emulated");
});

test("what does not apply has no header", () => {
  expect(answerHeaders(decodedIgnoring([]), start)).toEqual({ "x-continuo-model": "m" });
});

test.each([
  ["queue_full", undefined, "1"],
  ["shutting_down", 1_200, "2"],
  ["model_unavailable", 30_000, "30"],
  ["model_unavailable", undefined, undefined],
  ["internal", undefined, undefined],
] as const)("%s with %s ms to wait says Retry-After: %s", (code, retryAfterMs, expected) => {
  const error = new ServiceError(code, "no", retryAfterMs === undefined ? {} : { retryAfterMs });

  expect(errorHeaders(error)["retry-after"]).toBe(expected);
});
