import { expect, test } from "vitest";
import { createLog, logRequest } from "./log.ts";
import type { RequestRecord } from "./request-record.ts";

function lines(readable: boolean) {
  const written: string[] = [];
  const log = createLog({ level: "info", readable, destination: { write: (line) => written.push(line) } });
  return { log, written };
}

const record: RequestRecord = {
  requestId: "r1",
  method: "POST",
  path: "/v1/completions",
  startedAtMs: 1000,
  protocol: "completions",
  dialect: "openai",
  model: "a model",
  isKnownModel: true,
  status: 200,
  outcome: "ok",
  ttftMs: 12.4,
};

test("a request is one line of JSON with whole milliseconds", () => {
  const { log, written } = lines(false);

  logRequest(log, record, 1234.6);

  expect(written).toHaveLength(1);
  expect(JSON.parse(written[0] ?? "")).toMatchObject({
    level: "info",
    msg: "request",
    requestId: "r1",
    status: 200,
    ttftMs: 12,
    totalMs: 235,
  });
});

test.each([
  [{ status: 500 }, "error"],
  [{ status: 503 }, "warn"],
  [{ status: 499 }, "info"],
  [{ status: 404 }, "info"],
])("a request that ended with %j is logged as %s", (overrides, level) => {
  const { log, written } = lines(false);

  logRequest(log, { ...record, ...overrides }, 2000);

  expect(JSON.parse(written[0] ?? "")).toMatchObject({ level });
});

test.each([200, 503])("a probe answered with %s is not worth a line at the usual level", (status) => {
  const { log, written } = lines(false);
  const { protocol: _, ...probe } = record;

  logRequest(log, { ...probe, path: "/ready", status }, 2000);

  expect(written).toEqual([]);
});

test("for a terminal a line is short and quotes only what needs it", () => {
  const { log, written } = lines(true);

  logRequest(log, record, 1100);

  expect(written).toHaveLength(1);
  expect(written[0]).toMatch(
    /^\d\d:\d\d:\d\d INFO {2}request requestId=r1 method=POST .*model="a model" .*totalMs=100\n$/,
  );
});

test("for a terminal a line steers nothing, whatever the caller has sent", () => {
  const { log, written } = lines(true);

  logRequest(log, { ...record, model: "\u001b]0;evil\u0007\n\u009b2J" }, 1100);
  log.error({ err: new Error("\u001b[2J") }, "\u001b[31m");

  expect(written.join("")).not.toMatch(/[^\P{Cc}\n]/u);
  expect(written[0]?.trimEnd()).not.toContain("\n");
});

test("for a terminal a failure shows its stack", () => {
  const { log, written } = lines(true);

  log.error({ err: new Error("broken") }, "unexpected failure");

  expect(written[0]).toMatch(/ERROR unexpected failure\nError: broken\n {4}at /);
});

test("headers and keys are blotted out should anybody log them", () => {
  const { log, written } = lines(false);

  log.info(
    { request: { headers: { authorization: "Bearer sk-1" } }, apiKey: "sk-2", caller: { authorization: "sk-3" } },
    "x",
  );

  expect(written[0]).not.toMatch(/sk-/);
});
