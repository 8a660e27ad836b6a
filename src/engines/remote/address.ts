/** Where an engine elsewhere listens. */
export interface Address {
  readonly origin: string;
  /** Path before the engine's own routes (`/props`, `/tokenize`), without a slash at its end. */
  readonly root: string;
  /** Path before OpenAI's routes (`/completions`), without a slash at its end. */
  readonly api: string;
}

/**
 * Of a base URL as people write it, with or without `/v1`. A path that does not end in a version is where OpenAI's routes
 * are: services put them under all kinds of names.
 */
export function addressOf(url: string): Address {
  const { origin, pathname } = new URL(url);
  const path = pathname.replace(/\/+$/, "");
  const root = path.replace(/\/v1$/, "");
  return { origin, root, api: path === "" ? "/v1" : path };
}
