/** Requests to a gateway, with as little work as a client can do, so that the gateway is what is measured. */
import { Pool } from "undici";
import { PIECES } from "./gateway-script.ts";

/** A way to the scripted engine. */
export interface Way {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What it calls a model of the scripted engine. */
  modelFor(route: Route, pace: Pace): string;
}

export type Route = "chat" | "completions";
export type Pace = "fast" | "paced";

export interface Question {
  readonly route: Route;
  readonly pace: Pace;
  readonly stream: boolean;
}

export interface Reply {
  /** From the request to the first byte of the body, milliseconds. */
  readonly firstByteMs: number;
  readonly wholeMs: number;
  readonly body: Buffer;
}

const LAST_PIECE = PIECES.at(-1) ?? "";
const MESSAGE = "Continue this text, please.";

/** Connections to one gateway, kept open. */
export class GatewayClient {
  readonly #pool: Pool;
  readonly #way: Way;

  constructor(way: Way, connections: number) {
    this.#way = way;
    this.#pool = new Pool(way.url, { connections, headersTimeout: 60_000, bodyTimeout: 60_000 });
  }

  ask({ route, pace, stream }: Question): Promise<Reply> {
    const prompt = route === "chat" ? { messages: [{ role: "user", content: MESSAGE }] } : { prompt: MESSAGE };
    const model = this.#way.modelFor(route, pace);
    const options = stream ? { stream, stream_options: { include_usage: true } } : {};
    const body = JSON.stringify({ model, ...prompt, max_tokens: PIECES.length, ...options });
    const path = route === "chat" ? "/v1/chat/completions" : "/v1/completions";
    const headers = { "content-type": "application/json", ...this.#way.headers };
    return new Promise((resolve, reject) => {
      const startedMs = performance.now();
      let status = 0;
      let firstByteMs = 0;
      const pieces: Buffer[] = [];
      this.#pool.dispatch(
        { path, method: "POST", headers, body },
        {
          onRequestStart: () => undefined,
          onResponseStart: (_controller, statusCode) => {
            status = statusCode;
          },
          onResponseData: (_controller, piece) => {
            if (pieces.length === 0) firstByteMs = performance.now() - startedMs;
            pieces.push(piece);
          },
          onResponseEnd: () => {
            const whole = Buffer.concat(pieces);
            if (status === 200) resolve({ firstByteMs, wholeMs: performance.now() - startedMs, body: whole });
            else reject(new Error(`${this.#way.url}${path}: ${status} ${whole.toString().slice(0, 1_000)}`));
          },
          onResponseError: (_controller, error) => reject(error),
        },
      );
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}

/** Throws unless an answer has the whole text. */
export function check({ stream, route }: Question, { body }: Reply): void {
  const text = body.toString();
  const events = stream
    ? text.split("\n").flatMap((line) => (line.startsWith("data: {") ? [JSON.parse(line.slice(6)) as unknown] : []))
    : [JSON.parse(text) as unknown];
  const said = events.map((event) => textOf(event as Body, route)).join("");
  if (said !== PIECES.join("")) throw new Error(`another text came out: ${JSON.stringify(said)}`);
}

interface Body {
  readonly choices?: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string | null };
    readonly message?: { readonly content?: string };
  }[];
}

function textOf({ choices = [] }: Body, route: Route): string {
  const [choice] = choices;
  return (route === "completions" ? choice?.text : (choice?.delta?.content ?? choice?.message?.content)) ?? "";
}

export interface Load {
  /** Answers a second. */
  readonly rate: number;
  readonly answers: number;
}

/** So many requests at a time: new ones for `durationMs`, then the rest of those under way. Throws when an answer has no end. */
export async function load(
  client: GatewayClient,
  question: Question,
  concurrency: number,
  durationMs: number,
): Promise<Load> {
  const startedMs = performance.now();
  let answers = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - startedMs < durationMs) {
      const { body } = await client.ask(question);
      if (!body.includes(LAST_PIECE)) throw new Error("an answer broke off");
      answers += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { rate: (1_000 * answers) / (performance.now() - startedMs), answers };
}
