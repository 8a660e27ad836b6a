import { describe, expect, test } from "vitest";
import { ModelFailure } from "./failure.ts";
import { PATIENCE, type RetryOptions, Strikes, withRetries } from "./retry.ts";
import { TransferError } from "./transport.ts";

function patient(): RetryOptions & { readonly waits: number[]; readonly said: string[] } {
  const waits: number[] = [];
  const said: string[] = [];
  return {
    waits,
    said,
    patience: { ...PATIENCE, sleep: async (ms) => void waits.push(ms) },
    say: (line) => said.push(line),
    signal: new AbortController().signal,
  };
}

const cut = new TransferError("hub: the connection was cut", { isTransient: true });

test("waits double, by up to a quarter more, and end with advice", async () => {
  const options = patient();

  const result = withRetries(options, () => Promise.reject(cut));

  await expect(result).rejects.toThrow(
    "hub: the connection was cut; gave up after 8 attempts in a row. Run the same command again later to go on",
  );
  expect(options.waits).toHaveLength(7);
  for (const [index, wait] of options.waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(250 * 2 ** index);
    expect(wait).toBeLessThanOrEqual(1.25 * 250 * 2 ** index);
  }
});

test("only longer waits are said", async () => {
  const options = patient();

  await withRetries(options, () => Promise.reject(cut)).catch(() => {});

  expect(options.said).toHaveLength(options.waits.filter((wait) => wait >= 2000).length);
  expect(options.said[0]).toMatch(/^hub: the connection was cut; trying again in \d+ s$/);
});

test("whatever is gained starts the count again", async () => {
  const options = patient();
  const strikes = new Strikes(options);

  for (let attempt = 0; attempt < 100; attempt += 1) {
    await strikes.strike(cut);
    strikes.clear();
  }

  expect(Math.max(...options.waits)).toBeLessThanOrEqual(250 * 1.25);
});

describe("is not tried again", () => {
  test("what is final", async () => {
    const options = patient();

    await expect(
      withRetries(options, () => Promise.reject(new TransferError("hub has no m (404)", { isTransient: false }))),
    ).rejects.toEqual(new ModelFailure("hub has no m (404)"));
    expect(options.waits).toEqual([]);
  });

  test("what is no transfer at all", async () => {
    await expect(withRetries(patient(), () => Promise.reject(new RangeError("a bug")))).rejects.toThrow("a bug");
  });

  test("a server that asks for more than ten minutes", async () => {
    const busy = new TransferError("hub answers 429", { isTransient: true, retryAfterMs: 3_600_000 });

    await expect(withRetries(patient(), () => Promise.reject(busy))).rejects.toThrow(
      "hub answers 429 and asks to wait 60 minutes; run the same command again then",
    );
  });

  test("anything, once a person has stopped it", async () => {
    const stop = new AbortController();
    const options = { ...patient(), patience: PATIENCE, signal: stop.signal };
    const waiting = withRetries(options, () => Promise.reject(cut));

    stop.abort(new Error("stopped"));

    await expect(waiting).rejects.toThrow("stopped");
  });
});
