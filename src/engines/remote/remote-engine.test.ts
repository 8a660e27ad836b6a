import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { never } from "../../../test/support/described-weights.ts";
import {
  bytes,
  completionChunk,
  drained,
  engineAt,
  events,
  hear,
  json,
  LIST,
  type PeerAnswer,
  peerServer,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";
import { gapBetween } from "../../continuation/gap/gap-end.ts";
import { Answer } from "./answer.ts";
import type { Asked, Piece } from "./peer.ts";

const ASKED: Asked = { path: "", body: {}, truncatedTokens: 0, countOffset: 0, ends: new Set([0]), ignored: [] };

/** The same events whatever the cuts: 春, an emoji whose halves came apart, and a stop string over two events. */
const STREAM = Buffer.from(
  [
    ...["a春", "\ud83d", "\ude00b", "c<st", "op>d"].map((text) => `data: ${JSON.stringify(completionChunk(text))}`),
    `data: ${JSON.stringify(completionChunk("", "stop"))}`,
    "data: [DONE]",
  ].join("\n\n"),
);

const endless: PeerAnswer = async (_, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const piece = `data: ${JSON.stringify(completionChunk("x".repeat(10_000)))}\n\n`;
  while (!response.destroyed) {
    if (!response.write(piece)) await drained(response);
  }
};

describe("a stream over a socket", () => {
  test("says the same wherever its bytes are cut", async () => {
    let pieces: readonly Uint8Array[] = [STREAM];
    const peer = await peerServer({
      "GET /v1/models": LIST,
      "POST /v1/completions": (call, response) => bytes(...pieces)(call, response),
    });
    const engine = engineAt("openai", peer.url);
    const request = remoteRequest({ limits: { ...remoteRequest().limits, stopStrings: ["<stop>"] } });

    const cuts = fc.array(fc.nat({ max: STREAM.length }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        const ends = [...places].sort((a, b) => a - b);
        pieces = [...ends, STREAM.length].map((end, index) => STREAM.subarray(ends[index - 1] ?? 0, end));

        expect((await hear(engine.generate(request, never))).text).toBe("a春😀bc");
      }),
      { numRuns: 40 },
    );
  });

  test("an abort cuts the connection, before the first text and behind it", async () => {
    const silent: PeerAnswer = () => undefined;
    for (const answer of [silent, endless]) {
      const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/completions": answer });
      const engine = engineAt("openai", peer.url);
      const leave = new AbortController();
      const hearing = hear(engine.generate(remoteRequest(), leave.signal));
      while (peer.to("POST /v1/completions").length === 0) await new Promise((resolve) => setImmediate(resolve));

      leave.abort(new Error("gone"));

      expect(String((await hearing).error)).toContain("gone");
      await peer.to("POST /v1/completions")[0]?.closed;
      expect(engine.stats().running).toBe(0);
    }
  });

  test("an abort is not waited for until a slow reader comes back", async () => {
    const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/completions": endless });
    const leave = new AbortController();
    const parts = engineAt("openai", peer.url).generate(remoteRequest(), leave.signal);
    await parts.next();

    leave.abort(new Error("gone"));

    await peer.to("POST /v1/completions")[0]?.closed;
    await expect(hear(parts)).resolves.toMatchObject({ error: new Error("gone") });
  });

  test("a reader that does not read keeps the engine from writing", async () => {
    let written = 0;
    const counting: PeerAnswer = async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const piece = `data: ${JSON.stringify(completionChunk("x".repeat(10_000)))}\n\n`;
      while (!response.destroyed && written < 200_000_000) {
        written += piece.length;
        if (response.write(piece)) continue;
        blocked();
        await drained(response);
      }
    };
    let blocked = (): void => undefined;
    const isBlocked = new Promise<void>((resolve) => {
      blocked = resolve;
    });
    const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/completions": counting });
    const parts = engineAt("openai", peer.url).generate(remoteRequest(), never);
    await parts.next();
    await isBlocked;

    expect(written).toBeLessThan(50_000_000);
    await parts.return(undefined);
    await peer.to("POST /v1/completions")[0]?.closed;
  });

  test("leaving at a stop string that the engine did not see cuts the connection", async () => {
    const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/completions": endless });
    const request = remoteRequest({ limits: { ...remoteRequest().limits, stopStrings: ["xx"] } });

    const { text, parts } = await hear(engineAt("openai", peer.url).generate(request, never));

    expect(text).toBe("");
    expect(parts).toContainEqual({ type: "finish", choice: 0, reason: "stop" });
    await peer.to("POST /v1/completions")[0]?.closed;
  });

  test("a connection that was closed while idle is nobody's failure", async () => {
    let isFirst = true;
    const peer = await peerServer({
      "GET /v1/models": LIST,
      "POST /v1/completions": (call, response) => {
        if (!isFirst) return events(completionChunk("ok", "stop"))(call, response);
        isFirst = false;
        return response.socket?.destroy();
      },
    });

    expect((await hear(engineAt("openai", peer.url).generate(remoteRequest(), never))).text).toBe("ok");
  });
});

test("another engine behind the same address is known as soon as the first one's connections close", async () => {
  const route = (model: string) => ({ "GET /v1/models": json({ data: [{ id: model }] }) });
  const first = await peerServer(route("first"));
  const engine = engineAt("openai", first.url);
  expect((await engine.model(never)).id).toBe("first");

  await first.stop();
  await peerServer(route("second"), Number(new URL(first.url).port));

  // The connection closed before the second one was there, or behind it; either way it is asked.
  while ((await engine.model(never).catch(() => undefined))?.id !== "second")
    await new Promise((resolve) => setImmediate(resolve));
  expect(engine.health().state).toBe("ready");
});

test("a service that closes its connections is not asked for its list again", async () => {
  const closing = { connection: "close" };
  const chat = { choices: [{ index: 0, delta: { content: "ok" }, finish_reason: "stop" }] };
  const answers = {
    "GET /v1/models": json({ data: [{ id: "a" }] }, 200, closing),
    "POST /v1/chat/completions": (async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream", ...closing });
      response.end(`data: ${JSON.stringify(chat)}\n\ndata: [DONE]\n\n`);
    }) satisfies PeerAnswer,
  };
  const input = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] } as const;
  const listsAskedBy = async (kind: string): Promise<number> => {
    const peer = await peerServer(answers);
    const engine = engineAt(kind, peer.url);
    for (let time = 0; time < 4; time += 1) {
      expect((await hear(engine.generate(remoteRequest({ input }), never))).text).toBe("ok");
      await peer.to("POST /v1/chat/completions").at(-1)?.closed;
    }
    return peer.to("GET /v1/models").length;
  };

  expect(await listsAskedBy("openai")).toBeGreaterThan(1);
  expect(await listsAskedBy("mistral")).toBe(1);
});

describe("several choices", () => {
  test("are requests with seeds of their own, and the prompt is counted once", async () => {
    const peer = await peerServer({
      "GET /v1/models": LIST,
      "POST /v1/completions": (call, response) =>
        events(
          completionChunk(`seed ${call.body.seed}`),
          completionChunk("", "stop"),
          usageChunk(5, 2),
        )(call, response),
    });
    const request = remoteRequest({ choices: 3, sampling: { seed: 10 } });

    const { parts } = await hear(engineAt("openai", peer.url).generate(request, never));

    const texts = parts.flatMap((part) => (part.type === "delta" ? [[part.choice, part.text]] : []));
    expect(new Map(texts as [number, string][])).toEqual(
      new Map([
        [0, "seed 10"],
        [1, "seed 11"],
        [2, "seed 12"],
      ]),
    );
    expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 5, completionTokens: 6 } });
  });
});

describe("an answer", () => {
  function texts(pieces: readonly Piece[], over: Parameters<typeof remoteRequest>[0] = {}, asked = ASKED): string {
    const answer = new Answer(remoteRequest(over), asked);
    return pieces
      .flatMap((piece) => answer.push(piece))
      .map((part) => (part.type === "delta" ? part.text : part.type === "finish" ? `[${part.reason}]` : ""))
      .join("");
  }

  test("ends at an end token of the vocabulary, whatever the engine makes of it", () => {
    expect(
      texts([
        { text: "a", tokens: [5] },
        { text: "<|x|>", tokens: [0] },
        { text: "b", tokens: [6] },
      ]),
    ).toBe("a[stop]");
  });

  test("has whole characters alone: a half that stays alone is a replacement character", () => {
    expect(texts([{ text: "\u{1F600}".slice(0, 1) }, { text: "\u{1F600}".slice(1) }])).toBe("\u{1F600}");
    expect(texts([{ text: "\uDE00a" }, { text: "\uD83D" }, { text: "b" }])).toBe("\uFFFDa\uFFFDb");
    expect(texts([{ text: "\uFEFFa" }])).toBe("\uFEFFa");
  });

  test("ends at stop ids, also in a sequence over two events", () => {
    const limits = { ...remoteRequest().limits, stopSequences: [[5, 6]] };

    expect(
      texts(
        [
          { text: "a", tokens: [5] },
          { text: "b", tokens: [6] },
        ],
        { limits },
      ),
    ).toBe("[stop]");
    expect(
      texts(
        [
          { text: "a", tokens: [5] },
          { text: "c", tokens: [7] },
        ],
        { limits },
      ),
    ).toBe("ac");
  });

  test("is no longer than was asked for, whatever the engine sends", () => {
    const limits = { ...remoteRequest().limits, maxTokens: 2 };
    const token = (text: string): Piece => ({ text, tokens: [9] });

    expect(texts(["a", "b", "c", "d"].map(token), { limits })).toBe("ab[length]");
  });

  test("in a gap ends where the suffix is repeated", () => {
    const around = gapBetween("def f(x):\n", "\n\nprint(f(1))\nprint(f(2))\n");
    const gap = { ...around, endBias: 0, byDefault: true };
    const said = ["    return x\n\n", "print(f(1))\n", "print(f(2))\n"].map((text, id) => ({ text, tokens: [id + 1] }));
    const pieces: Piece[] = [...said, { finish: { reason: "stop", raw: "eos" } }];

    const input = { kind: "infill", context: [], prefix: "", suffix: "", middle: "", writtenMarkers: 0 } as const;
    expect(texts(pieces, { input }, { ...ASKED, gap })).toBe("    return x[stop]");
    expect(texts(pieces, { input, gapEnd: false }, { ...ASKED, gap })).toContain("print(f(2))");
  });

  test("counts tokens that the engine counts without telling their ids", () => {
    const answer = new Answer(remoteRequest(), { ...ASKED, promptTokens: 3 });
    const parts = [
      ...answer.push({ text: "灯", tokens: [124], tokensSoFar: 3 }),
      ...answer.push({ finish: { reason: "length", raw: "limit" } }),
    ];

    expect(parts[0]).toEqual({ type: "delta", choice: 0, text: "灯" });
    expect(answer.usage()).toEqual({ promptTokens: 3, completionTokens: 3, source: "engine" });
  });
});
