import fc from "fast-check";
import { expect, test } from "vitest";
import { traceContextOf, traceIdOf } from "./trace.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

test("a caller's place in a trace is kept as it is spelt", () => {
  expect(traceContextOf({ traceparent: PARENT })).toEqual({ traceparent: PARENT });
  expect(traceContextOf({ traceparent: PARENT, tracestate: ["a=1", "b=2"] })).toEqual({
    traceparent: PARENT,
    tracestate: "a=1,b=2",
  });
  expect(traceIdOf({ traceparent: PARENT })).toBe(TRACE);
  expect(traceContextOf({ traceparent: `cc${PARENT.slice(2)}-what-comes-later` })).toBeDefined();
});

test.each([
  ["nothing", undefined],
  ["two of them", `${PARENT}, ${PARENT}`],
  ["more than version 00 has", `${PARENT}-x`],
  ["the version that is none", `ff${PARENT.slice(2)}`],
  ["no trace", `00-${"0".repeat(32)}-b7ad6b7169203331-01`],
  ["no parent", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["capital letters", PARENT.toUpperCase()],
])("%s is none", (_, traceparent) => {
  expect(traceContextOf({ traceparent, tracestate: "a=1" })).toBeUndefined();
});

test("any ids but zeros are a place in a trace", () => {
  const hex = (length: number) =>
    fc
      .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
      .map((all) => all.join(""));
  fc.assert(
    fc.property(hex(32), hex(16), hex(2), (trace, parent, flags) => {
      const isPlace = /[^0]/.test(trace) && /[^0]/.test(parent);
      const found = traceContextOf({ traceparent: `00-${trace}-${parent}-${flags}` });
      expect(found === undefined ? undefined : traceIdOf(found)).toBe(isPlace ? trace : undefined);
    }),
  );
});
