/** A look at the first bytes of a file on a server, before anything is downloaded. */
import { sizeText } from "./bytes.ts";
import { ModelFailure } from "./failure.ts";
import { GGUF_MAGIC } from "./gguf-magic.ts";
import type { RemoteFile } from "./hub.ts";
import { type RetryOptions, withRetries } from "./retry.ts";
import { type Ask, connectionError, type Reply, type Transport } from "./transport.ts";

export interface Probed {
  readonly sizeBytes: number;
  /** The server sends parts when asked for them; otherwise a download that was cut starts from the beginning. */
  readonly takesRanges: boolean;
  /** What the server says of the version (`ETag`); empty where it says nothing, or where a checksum says more. */
  readonly version: string;
}

/** Throws `ModelFailure` when the file is no GGUF file, has another size than `listed` says, or tells no size at all. */
export async function probe(
  ask: Ask,
  listed: RemoteFile,
  options: RetryOptions & { readonly transport: Transport },
): Promise<Probed> {
  return withRetries(options, async () => {
    const { signal, transport } = options;
    const reply = await transport.get({ ...ask, range: { start: 0, end: GGUF_MAGIC.length } }, signal);
    const host = new URL(ask.url).host;
    try {
      const start = await firstBytes(reply, GGUF_MAGIC.length);
      if (!start.equals(GGUF_MAGIC)) throw notGguf(start, ask.what, host);
    } catch (error) {
      throw connectionError(error, host, signal);
    } finally {
      reply.body.destroy();
    }
    return {
      sizeBytes: checkedSize(sizeOf(reply), listed, host),
      takesRanges: reply.status === 206,
      version: listed.sha256 === undefined ? versionOf(reply) : "",
    };
  });
}

/** A strong `ETag`; a weak one does not promise the same bytes, so it says nothing here. */
export function versionOf(reply: Reply): string {
  const tag = reply.header("etag") ?? "";
  return tag.startsWith("W/") ? "" : tag;
}

async function firstBytes(reply: Reply, count: number): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const data of reply.body as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, data]);
    if (bytes.length >= count) break;
  }
  return bytes.subarray(0, count);
}

function notGguf(start: Buffer, what: string, host: string): ModelFailure {
  const isPage = start.toString("latin1").trimStart().startsWith("<");
  const found = isPage ? "is a web page" : "does not begin like one";
  return new ModelFailure(`expected a GGUF file, but ${what} on ${host} ${found}; check the address`);
}

function sizeOf(reply: Reply): number | undefined {
  const total =
    reply.status === 206
      ? /^bytes \d+-\d+\/(\d+)$/.exec(reply.header("content-range") ?? "")?.[1]
      : reply.header("content-length");
  return total !== undefined && /^\d+$/.test(total) ? Number(total) : undefined;
}

function checkedSize(said: number | undefined, { path, sizeBytes: listed }: RemoteFile, host: string): number {
  if (said !== undefined && listed !== undefined && said !== listed) {
    throw new ModelFailure(
      `${path} should have ${listed} bytes (${sizeText(listed)}) by its listing, but ${host} has ${said} (${sizeText(said)}); it is being replaced, or a mirror is out of date: try later, or another hub`,
    );
  }
  const size = said ?? listed;
  if (size === undefined) {
    throw new ModelFailure(
      `${host} does not say how large ${path} is, so it can be neither checked nor resumed; download it by other means, then \`continuo pull FILE\``,
    );
  }
  return size;
}
