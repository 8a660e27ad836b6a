/**
 * Hugging Face and ModelScope on loopback: their listings, their redirects to a CDN on another origin, ranges, and
 * every fault a test asks for. Real sockets.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

export interface HubFile {
  readonly path: string;
  readonly content: Buffer;
  /** What the listing says; default: the truth. `null` for the checksum: it says nothing. */
  readonly listed?: { readonly sizeBytes?: number; readonly sha256?: string | null };
}

/** What happens to one request for content, in place of the plain answer. */
export interface Fault {
  /** This status, without content. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfter?: number;
  /** After so many bytes nothing more comes until `release` is called. */
  readonly stallAfter?: number;
  /** The whole file, whatever range was asked for. */
  readonly ignoresRange?: boolean;
  /** Sent in place of the file's content. */
  readonly content?: Buffer;
}

export interface ContentRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** First and last byte asked for. */
  readonly range: readonly [number, number] | undefined;
  /** Counted from 0, over all requests for content. */
  readonly index: number;
}

export interface HubServer {
  /** The endpoint of both hubs. */
  readonly url: string;
  /** Variables that make this server both hubs, without any proxy. */
  readonly env: Readonly<Record<string, string>>;
  /** Headers of requests to the hub itself, by path. */
  readonly asked: readonly { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** Requests that reached the CDN. */
  readonly content: readonly ContentRequest[];
  /** Bytes of content sent so far. */
  sentBytes(): number;
  /** Resolves when a request has stalled; one call per stall. */
  stalled(): Promise<void>;
  /** Lets everything that stalls go on. */
  release(): void;
  close(): Promise<void>;
}

export interface HubOptions {
  /** By `owner/repository`. */
  readonly repositories: Readonly<Record<string, readonly HubFile[]>>;
  /** Without it in a request the hub answers 401. */
  readonly token?: string;
  /** Files per page of Hugging Face's listing. */
  readonly pageFiles?: number;
  /** Asked before every answer of the CDN; the first bytes, which `pull` looks at, are requests too. */
  readonly fault?: (request: ContentRequest) => Fault | undefined;
  /** Asked before every answer of the hub itself. */
  readonly hubFault?: (path: string, index: number) => Fault | undefined;
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export async function startHubServer(options: HubOptions): Promise<HubServer> {
  const asked: { path: string; headers: IncomingHttpHeaders }[] = [];
  const content: ContentRequest[] = [];
  let sent = 0;
  const stalls = signalQueue();
  let letGo: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    letGo = resolve;
  });

  const cdn = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://cdn").pathname.slice(1));
    const file = fileAt(options, path);
    const wanted = { path, headers: request.headers, range: rangeOf(request), index: content.length };
    content.push(wanted);
    const fault = options.fault?.(wanted) ?? {};
    if (file === undefined || fault.status !== undefined) {
      response.writeHead(fault.status ?? 404, fault.headers).end();
      return;
    }
    const body = fault.content ?? file.content;
    const range = fault.ignoresRange === true ? undefined : wanted.range;
    void answer(response, body, range, fault, {
      sent: (bytes) => {
        sent += bytes;
      },
      stalled: stalls.signal,
      released,
    });
  });
  const hub = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://hub");
    const fault = options.hubFault?.(url.pathname, asked.length);
    asked.push({ path: url.pathname, headers: request.headers });
    if (fault !== undefined) response.writeHead(fault.status ?? 500, fault.headers).end(fault.content);
    else answerHub(options, url, request, response, cdnUrl);
  });
  const cdnUrl = await listen(cdn);
  const url = await listen(hub);
  const noProxy = { HTTP_PROXY: "", HTTPS_PROXY: "", http_proxy: "", https_proxy: "" };
  return {
    url,
    env: { HF_ENDPOINT: url, MODELSCOPE_ENDPOINT: url, ...noProxy },
    asked,
    content,
    sentBytes: () => sent,
    stalled: stalls.next,
    release: letGo,
    close: async () => {
      letGo();
      for (const server of [hub, cdn]) {
        server.closeAllConnections();
        server.close();
        await once(server, "close");
      }
    },
  };
}

const checksums = new WeakMap<Buffer, string>();

/** Kept per buffer: large files are asked for in many parts. */
export function sha256(content: Buffer): string {
  const known = checksums.get(content) ?? createHash("sha256").update(content).digest("hex");
  checksums.set(content, known);
  return known;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** @param path `owner/repository/path of the file` */
function fileAt({ repositories }: HubOptions, path: string): HubFile | undefined {
  const [owner, name, ...rest] = path.split("/");
  return repositories[`${owner}/${name}`]?.find((file) => file.path === rest.join("/"));
}

function answerHub(
  { repositories, token, pageFiles = 1000 }: HubOptions,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
  cdnUrl: string,
): void {
  const json = (value: unknown, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
  };
  const toCdn = (path: string): void => {
    response.writeHead(302, { location: `${cdnUrl}/${path.split("/").map(encodeURIComponent).join("/")}` }).end();
  };
  if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    response.writeHead(401).end();
    return;
  }
  const path = decodeURIComponent(url.pathname);
  const [, resolved, file] = /^\/([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(path) ?? [];
  if (resolved !== undefined) {
    toCdn(`${resolved}/${file}`);
    return;
  }
  const [, repository = "", action] = /^\/api\/(?:v1\/)?models\/([^/]+\/[^/]+)\/(.+)$/.exec(path) ?? [];
  const files = repositories[repository];
  if (files === undefined || action === undefined) response.writeHead(404).end();
  else if (action.startsWith("revision/")) json({ sha: COMMIT });
  else if (action.startsWith("tree/")) {
    const start = Number(url.searchParams.get("cursor") ?? 0);
    // As mirrors do: the address is that of the hub they mirror.
    const next = new URL(url.pathname + url.search, "https://huggingface.invalid");
    next.searchParams.set("cursor", String(start + pageFiles));
    json(
      files.slice(start, start + pageFiles).map(treeEntry),
      start + pageFiles < files.length ? { link: `<${next.href}>; rel="next"` } : {},
    );
  } else if (action === "repo/files") {
    json({ Code: 200, Success: true, Data: { Files: [{ Path: "folder", Type: "tree" }, ...files.map(blob)] } });
  } else if (action === "repo") toCdn(`${repository}/${url.searchParams.get("FilePath")}`);
  else response.writeHead(404).end();
}

function treeEntry({ path, content, listed = {} }: HubFile): object {
  const size = listed.sizeBytes ?? content.length;
  const oid = listed.sha256 === undefined ? sha256(content) : listed.sha256;
  const entry = { type: "file", path, size, oid: "f".repeat(40) };
  return oid === null ? entry : { ...entry, lfs: { oid, size, pointerSize: 134 } };
}

function blob({ path, content, listed = {} }: HubFile): object {
  const checksum = listed.sha256 === undefined ? sha256(content) : listed.sha256;
  const Name = path.split("/").at(-1);
  return { Path: path, Name, Type: "blob", Size: listed.sizeBytes ?? content.length, Sha256: checksum };
}

function rangeOf(request: IncomingMessage): readonly [number, number] | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  return first === undefined || last === undefined ? undefined : [Number(first), Number(last)];
}

interface Watch {
  sent(bytes: number): void;
  stalled(): void;
  readonly released: Promise<void>;
}

/** Bytes written at a time: cuts fall between and within what a reader gets at once. */
const PIECE_BYTES = 1 << 14;

async function answer(
  response: ServerResponse,
  body: Buffer,
  range: readonly [number, number] | undefined,
  fault: Fault,
  watch: Watch,
): Promise<void> {
  const [first, last] = range ?? [0, body.length - 1];
  const part = body.subarray(first, last + 1);
  const about = { etag: `"${sha256(body).slice(0, 16)}"`, "content-length": String(part.length) };
  if (range !== undefined && first >= body.length) {
    response.writeHead(416, { "content-range": `bytes */${body.length}` }).end();
    return;
  }
  response.on("error", () => {}); // the reader has gone, which some tests are about
  if (range === undefined) response.writeHead(200, { ...about, ...fault.headers });
  else {
    const contentRange = `bytes ${first}-${first + part.length - 1}/${body.length}`;
    response.writeHead(206, { ...about, "content-range": contentRange, ...fault.headers });
  }
  response.flushHeaders();
  for (let at = 0; at < part.length && !response.destroyed; ) {
    const stops = [fault.cutAfter, fault.stallAfter].filter((stop) => stop !== undefined && stop > at) as number[];
    const end = Math.min(part.length, at + PIECE_BYTES, ...stops);
    if (at === fault.cutAfter) break;
    if (at === fault.stallAfter) {
      watch.stalled();
      await watch.released;
    }
    await new Promise<void>((resolve) => response.write(part.subarray(at, end), () => resolve()));
    watch.sent(end - at);
    at = end;
  }
  if (fault.cutAfter === undefined) response.end();
  else response.socket?.destroy();
}

/** Signals that are counted, and promises of the next one. */
function signalQueue(): { signal(): void; next(): Promise<void> } {
  let count = 0;
  const waiting: (() => void)[] = [];
  return {
    signal: () => {
      const first = waiting.shift();
      if (first === undefined) count += 1;
      else first();
    },
    next: () => {
      if (count === 0) return new Promise((resolve) => waiting.push(resolve));
      count -= 1;
      return Promise.resolve();
    },
  };
}
