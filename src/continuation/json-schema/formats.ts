/**
 * String formats as patterns. Each describes valid strings only; where a format allows rare spellings besides
 * (leap seconds, shortened IPv6 addresses), those are left out.
 */

const DAYS = [
  "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])",
  "(0[469]|11)-(0[1-9]|[12][0-9]|30)",
  "02-(0[1-9]|1[0-9]|2[0-8])",
].join("|");
const LEAP_YEAR = "[0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00";
const DATE = `([0-9]{4}-(${DAYS})|(${LEAP_YEAR})-02-29)`;
const HOURS = "([01][0-9]|2[0-3])";
const TIME = `${HOURS}:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]${HOURS}:[0-5][0-9])`;

const DURATION_TIME = "T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S)";
const DURATION_DATE = "([0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}D)";

const LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const URI_CHARACTER = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";

const HEX = "[0-9A-Fa-f]";
const IPV4 = `${OCTET}(\\.${OCTET}){3}`;
const IPV6 = `(${HEX}{1,4}:){7}${HEX}{1,4}`;
const IPV4_LENGTH = "/([0-9]|[12][0-9]|3[0-2])";
const IPV6_LENGTH = "/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])";
const BASE64 = "^([0-9A-Za-z+/]{4})*([0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?$";
const BASE64_URL = "[0-9A-Za-z_-]";

function uuid(version: string): string {
  return `^${HEX}{8}-${HEX}{4}-${version}${HEX}{3}-[89ABab]${HEX}{3}-${HEX}{12}$`;
}

/** Anchored patterns by the names of JSON Schema 2020-12, 7.3, and by those that pydantic, zod and OpenAPI 3.0 add. */
export const FORMATS: Readonly<Record<string, string>> = {
  date: `^${DATE}$`,
  time: `^${TIME}$`,
  "date-time": `^${DATE}T${TIME}$`,
  duration: `^P([0-9]{1,9}W|${DURATION_DATE}(${DURATION_TIME})?|${DURATION_TIME})$`,
  uuid: "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
  email: `^[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,10}){0,2}@(${LABEL}\\.){1,2}[A-Za-z]{2,20}$`,
  // Three labels of at most 63 characters stay below the 253 of a whole name.
  hostname: `^${LABEL}(\\.${LABEL}){0,2}$`,
  ipv4: `^${IPV4}$`,
  ipv6: `^${IPV6}$`,
  uri: `^[A-Za-z][A-Za-z0-9+.-]{0,15}://(${LABEL}\\.){0,3}${LABEL}(:[0-9]{1,4})?(/${URI_CHARACTER}*)*(\\?(${URI_CHARACTER}|[/?])*)?(#(${URI_CHARACTER}|[/?])*)?$`,
  ...Object.fromEntries(["1", "3", "4", "5", "6", "7", "8"].map((version) => [`uuid${version}`, uuid(version)])),
  ipv4network: `^${IPV4}${IPV4_LENGTH}$`,
  ipv4interface: `^${IPV4}${IPV4_LENGTH}$`,
  ipv6network: `^${IPV6}${IPV6_LENGTH}$`,
  ipv6interface: `^${IPV6}${IPV6_LENGTH}$`,
  base64: BASE64,
  byte: BASE64,
  base64url: `^(${BASE64_URL}{4})*(${BASE64_URL}{2}(==)?|${BASE64_URL}{3}=?)?$`,
};

/** Formats that say what a string is for, not how it looks. */
export const FREE_FORMATS: ReadonlySet<string> = new Set([
  ...["password", "binary", "path", "file-path", "directory-path"],
]);

/**
 * Patterns as generators write them that look ahead, and patterns without that whose strings match them.
 * Sources: zod 4.6 (z.iso.duration, z.hostname), pydantic 2.13 (Decimal).
 */
export const WITHOUT_LOOKING_AHEAD: ReadonlyMap<string, string | undefined> = new Map([
  [
    "^P(?:(\\d+W)|(?!.*W)(?=\\d|T\\d)(\\d+Y)?(\\d+M)?(\\d+D)?(T(?=\\d)(\\d+H)?(\\d+M)?(\\d+([.,]\\d+)?S)?)?)$",
    FORMATS["duration"],
  ],
  [
    "^(?=.{1,253}\\.?$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[-0-9a-zA-Z]{0,61}[0-9a-zA-Z])?)*\\.?$",
    FORMATS["hostname"],
  ],
  ["^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$", "^[+-]?(\\d{1,40}(\\.\\d{0,40})?|\\.\\d{1,40})$"],
]);
