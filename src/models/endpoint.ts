/** `host`, `host/` and `https://host/path/` as people write endpoints; without a slash at the end. */
export function endpointFrom(text: string): string {
  const whole = /^https?:\/\//i.test(text) ? text : `https://${text}`;
  return whole.replace(/\/+$/, "");
}

/** A path whose parts may hold any character. */
export function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** A file of a hub's web address, from the encoded parts of its path. */
export interface LinkedFile {
  readonly repository: string;
  readonly revision: string;
  readonly file: string;
}

/** Undefined when a part is missing or is no encoded text. */
export function linkedFile(...parts: readonly (string | undefined)[]): LinkedFile | undefined {
  try {
    const [repository, revision, file] = parts.map((part) => part && decodeURIComponent(part));
    return repository && revision && file ? { repository, revision, file } : undefined;
  } catch {
    return undefined; // a sign % that encodes nothing: not an address of a hub
  }
}
