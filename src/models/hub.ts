/** What the two hubs have in common. */
import type { Readable } from "node:stream";
import { z } from "zod";
import type { LinkedFile } from "./endpoint.ts";
import { ModelFailure } from "./failure.ts";
import { huggingFace } from "./hugging-face.ts";
import { modelScope } from "./modelscope.ts";
import { connectionError, type Reply, TransferError, type Transport } from "./transport.ts";

export const HUB_IDS = ["hf", "ms"] as const;
export type HubId = (typeof HUB_IDS)[number];

export type Environment = Readonly<Record<string, string | undefined>>;

/** One hub, or a mirror that speaks like it. */
export interface Hub {
  readonly id: HubId;
  /** As people call it. */
  readonly title: string;
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** Names of the variables that choose a mirror and give a token. */
  readonly endpointVariable: string;
  readonly tokenVariable: string;
  /** Headers that say who asks; none without a token. For the hub's own origin only. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The hub's name for the newest revision. */
  readonly defaultRevision: string;
  /** All files of a repository. */
  list(repository: string, revision: string, read: ReadJson): Promise<Listing>;
  /** What a web address of this hub means that people copy from the browser; undefined: nothing special. */
  linked(path: string): LinkedFile | undefined;
}

export interface Listing {
  /** The exact revision if the hub says it, else the name that was asked for. */
  readonly revision: string;
  readonly files: readonly RemoteFile[];
}

/** A file that can be fetched. */
export interface RemoteFile {
  /** Path in the repository, or the file name of an address. */
  readonly path: string;
  readonly url: string;
  /** Absent where only the server of the file can tell. */
  readonly sizeBytes?: number;
  /** Of the content, lower-case hexadecimal; absent where the hub does not say. */
  readonly sha256?: string;
}

/** Reads one page of JSON below the endpoint; `next` is the address of the following page. */
export type ReadJson = <T>(
  path: string,
  schema: z.ZodType<T>,
) => Promise<{ readonly value: T; readonly next?: string }>;

/** Both hubs with the mirrors and tokens of the environment. */
export function hubsFrom(env: Environment): Readonly<Record<HubId, Hub>> {
  return { hf: huggingFace(env), ms: modelScope(env) };
}

export function otherHub(id: HubId): HubId {
  return id === "hf" ? "ms" : "hf";
}

/** For messages about a refusal. */
export function accessAdvice({ title, tokenVariable, secrets }: Hub): string {
  return Object.keys(secrets).length === 0
    ? `check the name; a private or gated model needs your ${title} token in ${tokenVariable}`
    : `check the name; the token in ${tokenVariable} may not read it, or the terms of the model must first be accepted on its page`;
}

/** Largest listing read, bytes: a thousand files are some 300 kB. */
const MAX_LISTING_BYTES = 32 * 2 ** 20;

/** Reads listings of `hub`. */
export function jsonReader(hub: Hub, repository: string, transport: Transport, signal: AbortSignal): ReadJson {
  return async (path, schema) => {
    const url = path.startsWith("http") ? path : `${hub.endpoint}${path}`;
    const ask = { url, what: `repository ${repository}`, secrets: hub.secrets, accessAdvice: accessAdvice(hub) };
    const reply = await transport.get(ask, signal);
    const parsed = schema.safeParse(jsonIn(await textOf(reply.body, hub, signal)));
    if (!parsed.success) {
      throw new ModelFailure(
        `${hub.endpoint} does not answer like ${hub.title}; check ${hub.endpointVariable} (${z.prettifyError(parsed.error)})`,
      );
    }
    const next = nextPage(reply, hub);
    return { value: parsed.data, ...(next !== undefined && { next }) };
  };
}

async function textOf(body: Readable, { endpoint }: Hub, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > MAX_LISTING_BYTES) {
        throw new TransferError(`${endpoint} lists more than this program reads; name a file by its address instead`, {
          isTransient: false,
        });
      }
      pieces.push(piece);
    }
  } catch (error) {
    throw connectionError(error, new URL(endpoint).host, signal);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** Undefined for what is no JSON: the schema then says what is wrong with it. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * `Link: <…>; rel="next"` (RFC 8288). A mirror may pass on the address of the hub it mirrors; the page is asked of the
 * mirror all the same, so that no other host sees the token.
 */
function nextPage(reply: Reply, { endpoint }: Hub): string | undefined {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(reply.header("link") ?? "")?.[1];
  if (link === undefined || !URL.canParse(link, endpoint)) return undefined;
  const url = new URL(link, endpoint);
  return url.origin === new URL(endpoint).origin ? url.href : `${endpoint}${url.pathname}${url.search}`;
}
