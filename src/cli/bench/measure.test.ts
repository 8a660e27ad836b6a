import { afterAll, beforeAll, expect, test } from "vitest";
import { startTinyServer, type TinyServer } from "../../../test/support/tiny-server.ts";
import { CommandFailure } from "../failure.ts";
import { type Figures, type Listener, measure, STEPS } from "./measure.ts";
import { verdicts } from "./verdict.ts";

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

/** Keeps what it hears. */
function listening(onNext: (what: string) => void = () => undefined) {
  const said: string[] = [];
  let figures: Partial<Figures> = {};
  const listener: Listener = {
    next: (what) => {
      said.push(what);
      onNext(what);
    },
    measured: (more) => {
      figures = { ...figures, ...more };
    },
  };
  return { listener, said, figures: () => figures };
}

test("a server that runs is measured with figures that fit together", async () => {
  const { listener, said, figures } = listening();

  await measure(subject(server.url), new AbortController().signal, listener);

  const { firstTokenMs, prefill, decodePerSecond, together, typing } = figures();
  expect(firstTokenMs).toBeGreaterThan(0);
  expect(prefill?.promptTokens).toBeGreaterThan(500);
  expect(prefill?.perSecond).toBeGreaterThan(0);
  expect(decodePerSecond).toBeGreaterThan(0);
  expect(together).toMatchObject({ streams: 2 });
  expect(typing?.requests).toBe(12);
  expect(typing?.slowestMs).toBeGreaterThanOrEqual(typing?.medianMs ?? Number.NaN);
  expect(said).toHaveLength(STEPS);
  expect(said).toContain("2 answers at once");
});

test("an abort ends the measuring with its reason, and what was measured by then is known", async () => {
  const abort = new AbortController();
  const reason = new CommandFailure("interrupted");
  const { listener, figures } = listening((what) => {
    if (what === "one answer") abort.abort(reason);
  });

  await expect(measure(subject(server.url), abort.signal, listener)).rejects.toBe(reason);

  expect(Object.keys(figures())).toEqual(["firstTokenMs", "prefill"]);
  expect(verdicts(figures()).map((row) => row.measure)).toEqual(["first token, short prompt", "reading a prompt"]);
});

test("a name that nobody serves fails with what the server says", async () => {
  const unknown = { ...subject(server.url), model: "nobody" };

  await expect(measure(unknown, new AbortController().signal, listening().listener)).rejects.toThrow(
    /the server refused \(404\)/,
  );
});
