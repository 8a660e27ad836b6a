import fc from "fast-check";
import { expect, test } from "vitest";
import { hostileBody, PROTOCOL_PATHS } from "../../test/support/hostile-bodies.ts";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { serve } from "../../test/support/scripted-service.ts";

/** Milliseconds for one answer; an idle machine needs a hundredth. */
const IN_TIME_MS = 10_000;
/** Of an error's body; what callers send is repeated in part at most. */
const MAX_ERROR_BYTES = 4_000;

test.each(PROTOCOL_PATHS)("%s answers or refuses whatever it is sent, in time and in few words", async (path) => {
  const { url, entries } = await serve(new ScriptedEngine(() => saying(["a"])));
  await fc.assert(
    fc.asyncProperty(hostileBody(path), async (body) => {
      const startedAt = performance.now();
      const response = await fetch(url + path, { method: "POST", body });
      const text = await response.text();

      expect(performance.now() - startedAt).toBeLessThan(IN_TIME_MS);
      expect([200, 400, 404], text).toContain(response.status);
      if (response.status === 200) return;
      expect(text.length).toBeLessThan(MAX_ERROR_BYTES);
      const { request_id, error, code } = JSON.parse(text);
      expect(request_id).toBe(response.headers.get("x-request-id"));
      expect(error?.code ?? code).toEqual(expect.any(String));
    }),
    { numRuns: 250 },
  );
  expect(entries.filter(({ level }) => level === "error")).toEqual([]);
  for (const entry of entries) expect(JSON.stringify(entry).length).toBeLessThan(2_000);
});

const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
const long = "x".repeat(4_000_000);

test.each([
  [
    "a prompt nested 5 000 deep",
    `{"model":"m","prompt":${deep(5_000)}}`,
    "prompt: expected at most 256 levels of nesting",
  ],
  [
    "a prompt nested a million deep",
    `{"model":"m","prompt":${deep(1_000_000)}}`,
    "prompt: expected at most 256 levels",
  ],
  ["a prompt of lists 200 deep", `{"model":"m","prompt":[${deep(200)}]}`, "found an array"],
  ["a megabyte in place of a token id", `{"model":"m","prompt":[[1,"${long}"]]}`, 'found "xxx'],
  ["a megabyte as the name of the model", `{"model":"${long}","prompt":"a"}`, "The model `xxx"],
  ["a megabyte as a token id", `{"model":"m","prompt":"a","logit_bias":{"${long}":1}}`, 'found "xxx'],
  ["300 000 stops", `{"model":"m","prompt":"a","stop":[${'"a",'.repeat(300_000)}"b"]}`, "stop should have at most 256"],
  ["a megabyte as a stop", `{"model":"m","prompt":"a","stop":"${long}"}`, "entries of stop should be at most 4096"],
  [
    "a million objects",
    `{"model":"m","prompt":"a","user":[${"{},".repeat(1_000_000)}{}]}`,
    "user: expected at most 250000",
  ],
])("%s is refused in a few words that say why", async (_case, body, message) => {
  const { url, entry } = await serve(new ScriptedEngine(() => saying(["a"])));

  const response = await fetch(`${url}/v1/completions`, { method: "POST", body });
  const text = await response.text();

  expect([400, 404]).toContain(response.status);
  expect(JSON.parse(text).error.message).toContain(message);
  expect(text.length).toBeLessThan(700);
  expect(JSON.stringify(await entry(({ status }) => status === response.status)).length).toBeLessThan(700);
});

test("two hundred thousand unknown fields cost nobody a long header or a long wait", async () => {
  const { url } = await serve(new ScriptedEngine(() => saying(["a"])));
  const unknown = Array.from({ length: 200_000 }, (_, index) => `"k${index}":1`).join(",");
  const startedAt = performance.now();

  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    body: `{"model":"m","prompt":"a",${unknown}}`,
  });

  expect(response.status).toBe(200);
  expect(response.headers.get("x-continuo-ignored")).toMatch(/^k0,k1,.*\.\.\.$/);
  expect(performance.now() - startedAt).toBeLessThan(IN_TIME_MS);
});
