/** Whatever an administrator sends: no failure of ours, and nothing changed by what was refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openToAll } from "../../test/support/authenticators.ts";
import { ScriptedEngine } from "../../test/support/scripted-engine.ts";
import { serve } from "../../test/support/scripted-service.ts";
import { STORES } from "../../test/support/stores.ts";
import type { Administrator } from "../accounts/administration.ts";
import { addGrants } from "../accounts/grants.ts";
import { createKey, disableKey } from "../accounts/keys.ts";
import { createWorkspace } from "../accounts/workspaces.ts";
import { ADMIN_OPERATIONS } from "./admin-operations.ts";

const NOW_MS = 1_790_000_000_000;
const RUNS = 150;

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
}

/** Texts that mean something here, texts that mean something to databases and to HTTP, and any others. */
function texts(known: readonly string[]): fc.Arbitrary<string> {
  const strange = [
    "",
    " ",
    "\0",
    "'; drop table api_keys; --",
    "\ud800",
    "队",
    "%",
    "*",
    "ws_",
    "a/b",
    "x".repeat(300),
  ];
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...known) },
    { weight: 1, arbitrary: fc.constantFrom(...strange, "__proto__", "constructor", `sk-${"0".repeat(32)}`) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
  );
}

/** Values for any field: of the right kind half of the time. */
function values(known: readonly string[]): fc.Arbitrary<unknown> {
  const numbers = fc.constantFrom(0, -1, 1, 1.5, 1000, 2 ** 31, 2 ** 53, 1e300, 3_155_760_000_000, 3_155_760_000_001);
  return fc.oneof(
    { weight: 4, arbitrary: texts(known) },
    { weight: 2, arbitrary: fc.array(texts(known), { maxLength: 4 }) },
    { weight: 2, arbitrary: numbers },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  );
}

function objects(fields: readonly string[], value: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> {
  const name = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...fields, "x") },
    { weight: 1, arbitrary: fc.string() },
  );
  return fc.dictionary(name, value, { maxKeys: 4 });
}

/** Every operation, each with any input in its places; now and then a body that is no JSON object at all. */
function requests(known: readonly string[]): fc.Arbitrary<Sent> {
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const broken = fc.oneof(
    fc.uint8Array({ maxLength: 30 }).map((array) => new Uint8Array(array)),
    fc.jsonValue().map(bytes),
  );
  return fc.constantFrom(...OPERATIONS, ...NATIVE_CALLS).chain(({ method, path, fields }) => {
    const segments = fc.array(texts(known), { minLength: 2, maxLength: 2 });
    const given = objects(fields, values(known));
    const body = fc.oneof({ weight: 6, arbitrary: given.map(bytes) }, { weight: 1, arbitrary: broken });
    return fc.tuple(segments, given, body, texts(known)).map(([inPath, inQuery, inBody, workspace]) => {
      let at = 0;
      const filled = path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(wellFormed(inPath[at++] ?? "")));
      const query = new URLSearchParams(
        Object.entries(inQuery).flatMap(([name, value]) =>
          [value].flat().map((each): [string, string] => [name, String(each)]),
        ),
      );
      const headers = path.startsWith("/api/")
        ? { "x-dashscope-workspace": encodeURIComponent(wellFormed(workspace)) }
        : {};
      if (method === "GET" || method === "DELETE") return { method, path: `${filled}?${query}`, headers };
      return { method, path: filled, headers, body: inBody };
    });
  });
}

const OPERATIONS = ADMIN_OPERATIONS.map(({ method, path, input }) => ({
  method,
  path,
  fields: Object.keys(input.shape),
}));

/** DashScope's spelling of the same. */
const NATIVE_CALLS = [
  ["GET", "/api/v1/models/permissions"],
  ["POST", "/api/v1/models/permissions"],
  ["GET", "/api/v1/models/limits"],
].map(([method = "", path = ""]) => ({
  method,
  path,
  fields: ["models", "access_all_entities", "page_no", "page_size", "authorization_scope"],
}));

/** `encodeURIComponent` refuses half a character. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}

describe.each(STORES)("administration over %s", (_name, stores) => {
  const freshStore = stores();

  test("never fails for any input, and what it refuses changes nothing", { timeout: 300_000 }, async () => {
    const ada: Administrator = { store: await freshStore(), actor: "ada", now: () => NOW_MS };
    const known = await populate(ada);
    const administration = { store: ada.store, now: ada.now, keys: [{ key: "the-key-of-ops", label: "ops" }] };
    const { url } = await serve(new ScriptedEngine(() => []), { authenticator: openToAll("default"), administration });
    const statuses = new Map<number, number>();
    let before = await stateOf(ada);

    const property = fc.asyncProperty(requests(known), async ({ method, path, headers, body }) => {
      const authorization = "Bearer the-key-of-ops";
      const sent = { method, headers: { ...headers, authorization }, ...(body !== undefined && { body }) };
      const response = await fetch(`${url}${path}`, sent);
      const text = await response.text();
      const after = await stateOf(ada);

      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      expect(response.status, text).toBeLessThan(500);
      expect(() => JSON.parse(text)).not.toThrow();
      if (response.status >= 400) expect(after).toBe(before);
      before = after;
    });
    await fc.assert(property, { numRuns: RUNS });

    // Otherwise the input would be too wild to say anything.
    expect((statuses.get(200) ?? 0) + (statuses.get(201) ?? 0)).toBeGreaterThan(0);
    expect(statuses.get(400)).toBeGreaterThan(0);
  });
});

/** Something of every kind; returns what names it. */
async function populate(ada: Administrator): Promise<readonly string[]> {
  const team = await createWorkspace(ada, "team");
  await createWorkspace(ada, "crew");
  await addGrants(ada, "team", ["m", "qwen-*"]);
  const keys = [await createKey(ada, { workspace: "team" }), await createKey(ada, { workspace: "default" })];
  const off = await createKey(ada, { workspace: "crew" });
  await disableKey(ada, off.id);
  const words = [
    "default",
    "team",
    "crew",
    "new",
    "m",
    "qwen-*",
    "true",
    "50",
    "day",
    "OPEN",
    "CLOSE",
    "KEEP",
    "AUTHORIZED",
  ];
  return [...words, team.id, off.id, ...keys.map(({ id }) => id)];
}

async function stateOf({ store }: Administrator): Promise<string> {
  return JSON.stringify([
    await store.selectFrom("api_keys").selectAll().orderBy("id").execute(),
    await store.selectFrom("workspaces").selectAll().orderBy("id").execute(),
    await store.selectFrom("model_grants").selectAll().orderBy("workspace_id").orderBy("pattern").execute(),
    await store.selectFrom("model_limits").selectAll().orderBy("id").execute(),
    await store.selectFrom("audit_records").selectAll().orderBy("id").execute(),
  ]);
}
