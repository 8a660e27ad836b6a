import type { IncomingHttpHeaders } from "node:http";
import { excerpt, ServiceError } from "../errors.ts";
import { hasBody } from "./body.ts";
import { isAllowedOrigin } from "./origin.ts";

/**
 * Keeps web pages of other sites from using this server through their visitors' browsers. CORS is not enough for that: it
 * only keeps a page from reading the answer, and forms, plain text, images and the like are sent without a question
 * beforehand, so the work would be done by then.
 */

/** What is looked at of a request. */
export interface BrowserRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Throws `origin_denied` for the request of a page whose site is neither this server's own, nor this machine's, nor
 * allowed. What no browser sent passes: pages can forge neither `Origin` nor `Sec-Fetch-Site`.
 *
 * @param allowed as `isAllowedOrigin` takes it.
 */
export function refuseForeignPage({ method, headers }: BrowserRequest, allowed: readonly string[]): void {
  const site = headers["sec-fetch-site"];
  // The browser vouches for it, also where a proxy has changed the `Host` header.
  if (site === "same-origin") return;
  const origin = headers.origin || undefined;
  if (origin !== undefined) {
    if (isAllowedOrigin(origin, allowed) || isOwnOrigin(origin, headers.host)) return;
    throw foreignPage(origin);
  }
  // No site caused it: somebody typed the address, or it is no browser.
  if (site === undefined || site === "none") return;
  if (allowed.includes("*") || isFollowedLink(method, headers)) return;
  throw foreignPage(undefined);
}

/**
 * Throws `unsupported_media_type` for a body that a browser sends to any site without a question beforehand: form data,
 * text, or no type at all. Other clients may label JSON as they like; curl calls it form data unless told otherwise.
 */
export function refuseUnlabelledJson({ method, headers }: BrowserRequest): void {
  // Not `Sec-Fetch-Mode`: the fetch of Node sends that.
  const isBrowser = Boolean(headers.origin) || headers["sec-fetch-site"] !== undefined;
  if (!isBrowser || method === "GET" || method === "HEAD" || !hasBody(headers)) return;
  const type = headers["content-type"];
  if (type !== undefined && JSON_TYPE.test(type)) return;
  const found = type === undefined ? "none" : `"${excerpt(type)}"`;
  throw new ServiceError(
    "unsupported_media_type",
    `Content-Type should be application/json, found ${found}; browsers send other types to any site without asking it first.`,
  );
}

const JSON_TYPE = /^\s*application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

/** The scheme is left out: a proxy may have taken TLS off. */
function isOwnOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && /^https?:\/\/(.+)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
}

/** A link from anywhere to a page of ours, in a window of its own; it shows the answer to nobody but the visitor. */
function isFollowedLink(method: string, headers: IncomingHttpHeaders): boolean {
  const isRead = method === "GET" || method === "HEAD";
  return isRead && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
}

function foreignPage(origin: string | undefined): ServiceError {
  const page = "Access denied: a web page";
  if (origin === undefined) {
    return new ServiceError(
      "origin_denied",
      `${page} of another site sent this request. Pages call with fetch() from a site that cors_origins names.`,
    );
  }
  const shown = excerpt(origin);
  if (origin === "null") {
    const advice = 'Serve the page from http://localhost, or allow every site with cors_origins: ["*"].';
    return new ServiceError("origin_denied", `${page} without an origin (a file, a sandbox) sent this. ${advice}`, {
      refused: shown,
    });
  }
  const advice = `Start the server with --cors-origin ${shown}, or name it under cors_origins in the configuration.`;
  return new ServiceError("origin_denied", `${page} of ${shown} sent this, and the site is not allowed. ${advice}`, {
    refused: shown,
  });
}
