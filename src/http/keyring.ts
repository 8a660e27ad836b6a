import { timingSafeEqual } from "node:crypto";
import { digestOf } from "../accounts/secret.ts";
import { ServiceError } from "../errors.ts";

/** A key of the configuration. */
export interface NamedKey {
  /** Not empty. */
  readonly key: string;
  /** What logs and records call it. */
  readonly label: string;
}

/** Keys of the configuration, kept as hashes. Gives the label of the one that is presented; undefined: it is none of them. */
export function keyring(keys: readonly NamedKey[]): (presented: string) => string | undefined {
  if (keys.some(({ key }) => key === "")) throw new RangeError("keys must not be empty");
  const known = keys.map(({ key, label }) => ({ label, digest: digestOf(key) }));
  return (presented) => {
    const digest = digestOf(presented);
    // Every one is compared, so that the time taken does not tell which came close.
    return known.filter((each) => timingSafeEqual(each.digest, digest))[0]?.label;
  };
}

/** What stands behind `Bearer`; undefined: something else, or nothing. */
export function bearerTokenIn(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}

/** The same. Throws `missing_api_key` or, for anything else in its place, `invalid_api_key`. */
export function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined || authorization.trim() === "") {
    throw new ServiceError(
      "missing_api_key",
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    );
  }
  const token = bearerTokenIn(authorization);
  if (token === undefined) throw wrongKey();
  return token;
}

export function wrongKey(): ServiceError {
  return new ServiceError("invalid_api_key", "Incorrect API key provided.");
}
