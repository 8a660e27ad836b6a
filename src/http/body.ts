import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import { excerpt, ServiceError } from "../errors.ts";
import { type Excess, excessIn } from "./json-shape.ts";

type Inflate = (data: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const INFLATE: Readonly<Record<string, Inflate>> = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/**
 * The body of a request as a JSON object, whatever its content type says: clients label JSON as form content
 * (docs/wire.md 1.3). Strict UTF-8; a byte order mark is skipped.
 *
 * @param limitBytes longest body, as received and again after decompression.
 * @throws ServiceError `body_too_large`, `invalid_body`, and `invalid_parameter` for a field that is nested too deep or has too
 * many parts. Besides that field's name no message repeats a part of the body.
 */
export async function readJsonObject(request: IncomingMessage, limitBytes: number): Promise<Record<string, unknown>> {
  const received = await collect(request, limitBytes);
  const bytes = await decompressed(received, request.headers["content-encoding"], limitBytes);
  const excess = excessIn(bytes);
  if (excess !== undefined) throw refused(excess);
  const value = parse(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw unreadable();
  }
  return value as Record<string, unknown>;
}

/** True when a request announces a body. */
export function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers["transfer-encoding"] !== undefined || !["0", undefined].includes(headers["content-length"]);
}

async function collect(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    if (Number(request.headers["content-length"] ?? 0) > limitBytes) throw tooLarge(limitBytes);
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      size += chunk.length;
      if (size > limitBytes) throw tooLarge(limitBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    // The rest is read and dropped: closing at once would reset the connection before the client sees our answer.
    // The time limit for whole requests bounds how long.
    request.resume();
    throw error;
  }
  return Buffer.concat(chunks, size);
}

async function decompressed(received: Buffer, encoding: string | undefined, limitBytes: number): Promise<Buffer> {
  const name = encoding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return received;
  const inflateBytes = INFLATE[name];
  if (inflateBytes === undefined) {
    const known = Object.keys(INFLATE).join(", ");
    throw new ServiceError("invalid_body", `Content-Encoding of the body should be one of: ${known}, identity`);
  }
  try {
    return await inflateBytes(received, { maxOutputLength: limitBytes });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(limitBytes);
    throw unreadable();
  }
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // The parser's own message quotes the body, which must reach neither a log nor another reader.
    throw unreadable();
  }
}

function unreadable(): ServiceError {
  return new ServiceError("invalid_body", "Required body invalid, please check the request body format.");
}

function refused({ field, expected }: Excess): ServiceError {
  const name = field === "" ? "body" : excerpt(field);
  return new ServiceError("invalid_parameter", `${name}: ${expected}`, { param: name });
}

function tooLarge(limitBytes: number): ServiceError {
  return new ServiceError("body_too_large", `Range of body size should be [1, ${limitBytes}] bytes`);
}
