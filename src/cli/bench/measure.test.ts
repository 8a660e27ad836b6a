import { afterAll, beforeAll, expect, test } from "vitest";
import { startTinyServer, type TinyServer } from "../../../test/support/tiny-server.ts";
import { CommandFailure } from "../failure.ts";
import { measure } from "./measure.ts";

let server: TinyServer;

beforeAll(async () => {
  server = await startTinyServer();
});

afterAll(async () => {
  await server.stop();
});

function subject(url: string) {
  return { service: { url }, model: "tiny", fim: true, streams: 2 };
}

test("a server that runs is measured with figures that fit together", async () => {
  const said: string[] = [];

  const figures = await measure(subject(server.url), new AbortController().signal, (what) => said.push(what));

  expect(figures.firstTokenMs).toBeGreaterThan(0);
  expect(figures.prefill.promptTokens).toBeGreaterThan(500);
  expect(figures.prefill.perSecond).toBeGreaterThan(0);
  expect(figures.decodePerSecond).toBeGreaterThan(0);
  expect(figures.together).toMatchObject({ streams: 2 });
  expect(figures.typing.requests).toBe(12);
  expect(figures.typing.slowestMs).toBeGreaterThanOrEqual(figures.typing.medianMs);
  expect(said).toContain("2 answers at once");
});

test("an abort ends the measuring with its reason", async () => {
  const abort = new AbortController();
  const reason = new CommandFailure("interrupted");

  const measured = measure(subject(server.url), abort.signal, () => abort.abort(reason));

  await expect(measured).rejects.toBe(reason);
});

test("a name that nobody serves fails with what the server says", async () => {
  const unknown = { ...subject(server.url), model: "nobody" };

  await expect(measure(unknown, new AbortController().signal)).rejects.toThrow(/the server refused \(404\)/);
});
