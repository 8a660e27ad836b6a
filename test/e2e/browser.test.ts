/** Pages in Chromium against the real server: what other sites can make a visitor's browser do, and what ours can. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, metric } from "../support/calls.ts";
import { launchChromium, whyNoChromium } from "../support/chromium.ts";
import { temporaryFolder } from "../support/files.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const missing = whyNoChromium();
if (missing !== undefined) console.warn(`${import.meta.url.split("/").at(-1)}: ${missing}`);
const [EVIL, FRIEND, REBOUND] = ["evil.example", "friend.example", "rebound.example"];

describe.skipIf(missing !== undefined)(missing ?? "in Chromium", () => {
  const folder = temporaryFolder();
  let pages: Server;
  let port: number;
  let server: TinyServer;
  let browser: Browser;

  beforeAll(async () => {
    // Serves an empty page under every name, and sends posts on to where their query says.
    pages = createServer((request, response) => {
      const target = new URL(request.url ?? "/", "http://localhost").searchParams.get("to");
      if (target !== null) response.writeHead(307, { location: target, "access-control-allow-origin": "*" }).end();
      else response.setHeader("content-type", "text/html").end("<!doctype html><title>page</title><body></body>");
    }).listen(0, "127.0.0.1");
    await once(pages, "listening");
    port = (pages.address() as AddressInfo).port; // listening on TCP
    server = await startTinyServer({ tiny: {} }, { args: ["--cors-origin", `http://${FRIEND}:${port}`] });
    browser = await launchChromium([EVIL, FRIEND, REBOUND]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    pages?.close().closeAllConnections();
    folder.remove();
  });

  const answered = () => metric(server.url, "continuo_requests_total", { label: 'outcome="ok"' });
  const body = JSON.stringify({ model: "tiny", prompt: "def add(a, b):", max_tokens: 4 });

  /** What is sent from a page; all of it runs in the browser. */
  const ATTACKS: Readonly<Record<string, string>> = {
    "text by fetch": `fetch(target, { method: "POST", mode: "no-cors", body })`,
    "text by fetch that outlives the page": `fetch(target, { method: "POST", mode: "no-cors", keepalive: true, body })`,
    "bytes without a type": `fetch(target, { method: "POST", mode: "no-cors", body: new Blob([body]) })`,
    "JSON with a preflight": `fetch(target, { method: "POST", headers: { "content-type": "application/json" }, body })`,
    "a beacon": `navigator.sendBeacon(target, body)`,
    "a form": `new Promise((done) => {
      const frame = Object.assign(document.createElement("iframe"), { name: "hidden", onload: done });
      document.body.append(frame);
      const form = Object.assign(document.createElement("form"), { action: target, method: "post", enctype: "text/plain", target: "hidden" });
      const cut = body.length - 2;
      form.append(Object.assign(document.createElement("input"), { name: body.slice(0, cut) + ',"a":"', value: '"}' }));
      document.body.append(form);
      form.submit();
    })`,
    "a frame without an origin": `new Promise((done) => {
      addEventListener("message", done);
      const script = "fetch(" + JSON.stringify(target) + ", {method: 'POST', mode: 'no-cors', body: " + JSON.stringify(JSON.stringify(JSON.parse(body))) + "}).finally(() => parent.postMessage(1, '*'))";
      document.body.append(Object.assign(document.createElement("iframe"), { sandbox: "allow-scripts", srcdoc: "<script>" + script + "</" + "script>" }));
    })`,
    "a redirect": `fetch("/?to=" + encodeURIComponent(target), { method: "POST", mode: "no-cors", body })`,
  };

  async function openAt(address: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(address);
    return page;
  }

  /** Runs an expression in which `target` and `body` are known; undefined: it was rejected. */
  async function run(page: Page, expression: string, target = `${server.url}/v1/completions`): Promise<unknown> {
    const declared = `const target = ${JSON.stringify(target)}, body = ${JSON.stringify(body)};`;
    return page.evaluate(
      `(async () => { ${declared} try { return await (${expression}); } catch { return undefined; } })()`,
    );
  }

  const read = (type: string, mode = "cors") =>
    `fetch(target, { method: "POST", mode: "${mode}", headers: { "content-type": "${type}" }, body })
      .then(async (answer) => ({ status: answer.status, ...(await answer.json()) }))`;

  describe("a page of another site", () => {
    test.each(Object.entries(ATTACKS))("has nothing computed by %s", async (_how, attack) => {
      const [before, refused] = [await answered(), server.log().split("origin_denied").length];
      const page = await openAt(`http://${EVIL}:${port}`);

      await run(page, attack);

      await eventually("the request has come", async () => server.log().split("origin_denied").length > refused);
      expect(await answered()).toBe(before);
      await page.close();
    });

    test("cannot load, frame or connect to anything", async () => {
      const page = await openAt(`http://${EVIL}:${port}`);
      const element = (name: string, attribute: string, path: string) => `new Promise((done) => {
        const element = document.createElement("${name}");
        Object.assign(element, { onload: () => done("loaded"), onerror: () => done("refused"), rel: "stylesheet" });
        element["${attribute}"] = target + "${path}";
        document.body.append(element);
      })`;

      expect(await run(page, element("img", "src", "/v1/models"), server.url)).toBe("refused");
      expect(await run(page, element("script", "src", "/docs/page.js"), server.url)).toBe("refused");
      expect(await run(page, element("link", "href", "/docs/swagger-ui.css"), server.url)).toBe("refused");
      const socket = `new Promise((done) => { const s = new WebSocket(target.replace("http", "ws")); s.onopen = () => done("open"); s.onerror = () => done("refused"); })`;
      expect(await run(page, socket)).toBe("refused");
      const events = `new Promise((done) => { const s = new EventSource(target); s.onopen = () => done("open"); s.onerror = () => done("refused"); })`;
      expect(await run(page, events, `${server.url}/health`)).toBe("refused");
      await page.close();
    });

    test("cannot use a name of its own that leads here", async () => {
      const rebound = server.url.replace("127.0.0.1", REBOUND);
      const page = await browser.newPage();
      const response = await page.goto(`${rebound}/docs`);

      expect(response?.status()).toBe(403);
      expect(await run(page, read("application/json"), `${rebound}/v1/completions`)).toMatchObject({ status: 403 });
      await page.close();
    });

    test("may link to our pages", async () => {
      const page = await openAt(`http://${EVIL}:${port}`);

      await Promise.all([
        page.waitForURL(`${server.url}/docs`),
        run(page, "location.assign(target)", `${server.url}/docs`),
      ]);

      expect(await page.title()).toBe("Continuo: API reference");
      await page.close();
    });
  });

  test("a page in a file has nothing computed", async () => {
    const before = await answered();
    writeFileSync(join(folder.path, "page.html"), "<!doctype html><body></body>");
    const page = await openAt(`file://${folder.path}/page.html`);

    for (const type of ["application/json", "text/plain"]) expect(await run(page, read(type))).toBeUndefined();
    await run(page, ATTACKS["text by fetch"] ?? "");

    expect(await answered()).toBe(before);
    await page.close();
  });

  describe("who may call", () => {
    test.each([
      ["an allowed site", FRIEND],
      ["this machine", "localhost"],
    ])("a page of %s, with JSON that is labelled", async (_who, name) => {
      const page = await openAt(`http://${name}:${port}`);

      expect(await run(page, read("application/json"))).toMatchObject({ status: 200, object: "text_completion" });
      expect(await run(page, read("text/plain"))).toMatchObject({
        status: 415,
        error: { code: "unsupported_media_type" },
      });
      await page.close();
    });

    test("an allowed site, but not through another one's redirect", async () => {
      const before = await answered();
      const page = await openAt(`http://${FRIEND}:${port}`);

      await run(
        page,
        `fetch("http://${EVIL}:${port}/?to=" + encodeURIComponent(target), { method: "POST", mode: "no-cors", body })`,
      );

      expect(await answered()).toBe(before);
      await page.close();
    });

    test("our own reference, by its button", async () => {
      const page = await openAt(`${server.url}/docs`);
      const operation = page.locator("[id^='operations-'][id*='v1_completions']").first();

      await operation.locator("button.opblock-summary-control").click();
      const [response] = await Promise.all([
        page.waitForResponse((each) => each.request().method() === "POST"),
        operation.locator("button.execute").click(),
      ]);

      expect(response.status()).toBe(200);
      await page.close();
    });
  });
});
