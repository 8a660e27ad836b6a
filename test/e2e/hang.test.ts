/**
 * An engine process that is stopped in the middle of a stream: the server notices, says so, ends it, and the stream goes on
 * in another one.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { familyOf } from "../../bench/processes.ts";
import { COMPLETIONS, get, metric, post } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const folder = temporaryFolder();
let server: TinyServer;
beforeAll(async () => {
  const config = join(folder.path, "continuo.yaml");
  writeFileSync(config, "limits:\n  engine_timeout_ms: 3000\n");
  server = await startTinyServer({ tiny: {} }, { args: ["--config", config, "--deterministic"] });
}, 120_000);
afterAll(async () => {
  await server?.stop();
  folder.remove();
});

test.skipIf(process.platform === "win32")(
  "it ends with the text of an undisturbed one, and /ready tells meanwhile",
  async () => {
    const body = { model: "tiny", prompt: "def f(", max_tokens: 200, temperature: 0 };
    const undisturbed = await post(server.url, COMPLETIONS, body);
    const [, engine = 0] = familyOf(server.pid);
    const headers = { "content-type": "application/json" };
    const response = await fetch(server.url + COMPLETIONS, {
      ...{ method: "POST", headers, body: JSON.stringify({ ...body, stream: true }) },
    });

    let text = "";
    let reason: string | undefined;
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (reason !== undefined) continue;
      process.kill(engine, "SIGSTOP");
      reason = await whyNotReady();
    }

    const deltas = [...text.matchAll(/^data: (\{.*)$/gm)].map(
      ([, json = ""]) => JSON.parse(json).choices[0]?.text ?? "",
    );
    expect(deltas.join("")).toBe(undisturbed.json.choices[0].text);
    expect(reason).toMatch(/^tiny has stalled: no progress for \d\.\d s, it does not answer/);
    expect((await get(server.url, "/ready")).status).toBe(200);
    expect(await metric(server.url, "continuo_engine_hangs_total")).toBeGreaterThanOrEqual(1);
    expect(server.log()).toMatch(
      /hangs and is killed: no progress.*at work for request [0-9a-f-]{36} \(\d+ prompt tokens, \d+ generated\)/,
    );
    expect(server.log()).not.toContain("def f(");
  },
);

/** Asks until the server is not ready. */
async function whyNotReady(): Promise<string> {
  for (;;) {
    const { status, json } = await get(server.url, "/ready");
    if (status !== 200) return json.reason;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
