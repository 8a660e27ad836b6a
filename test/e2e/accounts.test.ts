/** Keys, workspaces and grants of a server that runs, changed by the command line beside it. */
import { readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AdministeredServer, startAdministeredServer } from "../support/administered-server.ts";
import { COMPLETIONS, eventually, get, post } from "../support/calls.ts";

let server: AdministeredServer;
beforeAll(async () => {
  server = await startAdministeredServer();
});
afterAll(async () => {
  await server?.stop();
});

const complete = (key?: string, model = "tiny") =>
  post(
    server.url,
    COMPLETIONS,
    { model, prompt: "a", max_tokens: 1 },
    key === undefined ? {} : { authorization: `Bearer ${key}` },
  );

const answers = (status: number, key?: string, model?: string) => async () =>
  (await complete(key, model)).status === status;

/** The status for a caller that reached the server by another name. */
function statusUnderName(host: string, key?: string): Promise<number | undefined> {
  const headers = { host, ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  return new Promise((resolve, reject) => {
    const call = request(`${server.url}/v1/models`, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    call.on("error", reject).end();
  });
}

test("a server is open until the first key is created beside it, and a key is worth what the store says of it", async () => {
  expect((await complete()).status).toBe(200);
  expect(await statusUnderName("somebody.example")).toBe(403);
  expect(server.log()).toContain("continuo keys create");

  const main = (await server.continuo("keys", "create", "--label", "main")).trim();

  expect(main).toMatch(/^sk-[0-9a-f]{32}$/);
  await eventually("the server needs a key", answers(401));
  expect((await complete(main)).status).toBe(200);
  expect(await statusUnderName("somebody.example", main)).toBe(200);

  const { id: teamId } = JSON.parse(await server.continuo("workspaces", "create", "team", "--json")) as { id: string };
  const created = JSON.parse(await server.continuo("keys", "create", "--workspace", "team", "--json"));
  const team = created as { readonly id: string; readonly key: string };
  expect((await complete(team.key)).json).toMatchObject({ error: { code: "Model.AccessDenied" } });

  expect(await server.continuo("grants", "add", teamId, "ti*")).toMatch(
    /^WORKSPACE +MODELS +SINCE\nteam +ti\* +\d{4}-/,
  );
  await eventually("the grant counts", answers(200, team.key));
  expect((await complete(team.key, "qwen-coder-turbo")).status).toBe(403);
  const visible = await get(server.url, "/v1/models", { authorization: `Bearer ${team.key}` });
  expect(visible.json.data.map(({ id }: { readonly id: string }) => id)).toEqual(["tiny"]);

  await server.continuo("keys", "disable", team.id);
  await eventually("the key is refused", answers(401, team.key));

  const list = await server.continuo("keys", "list");
  expect(list).toMatch(new RegExp(`^key_\\w+ +default +sk-…${main.slice(-4)} +active .* main$`, "m"));
  expect(list).toMatch(new RegExp(`^${team.id} +team +sk-…${team.key.slice(-4)} +disabled `, "m"));
  const { records } = JSON.parse(await server.continuo("audit", "--json")) as { records: { action: string }[] };
  expect(records.map(({ action }) => action).sort()).toEqual([
    "grants.add",
    "keys.create",
    "keys.create",
    "keys.disable",
    "workspaces.create",
  ]);

  const file = join(server.dataDir, "continuo.db");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const written = [readFileSync(file, "latin1"), readFileSync(`${file}-wal`, "latin1"), server.log(), list].join();
  for (const secret of [main, team.key]) expect(written).not.toContain(secret.slice(3));
});

test("what cannot be done is said on one line, with what to do instead", async () => {
  const failure = (...args: string[]) => server.continuo(...args).catch((error: unknown) => error);

  const [unknown, key, name] = await Promise.all([
    failure("keys", "delete", "key_none"),
    failure("keys", "delete", `sk-${"0".repeat(32)}`),
    failure("workspaces", "create", "x".repeat(31)),
  ]);

  expect(unknown).toMatchObject({
    code: 2,
    stderr: 'continuo: there is no key with the id "key_none"; `continuo keys list` shows them all\n',
  });
  expect(key).toMatchObject({ code: 2, stderr: expect.stringMatching(/^continuo: expected the id of a key[^0]*$/) });
  expect(name).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("expected a name for the workspace: 1 to 30"),
  });
});
