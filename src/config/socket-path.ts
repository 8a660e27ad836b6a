/** True for what no address and no host name is spelt like: a path with its folder, or a name that ends in `.sock`. */
export function isSocketPath(host: string): boolean {
  return /^(?:\/|\.{1,2}\/|~\/)|\.sock$/.test(host);
}

/** Bytes of `sun_path` without its final NUL. The system would listen on a shortened path without a word. */
const LONGEST: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 107, darwin: 103 };

/** Why a server cannot listen there; undefined: nothing is known against it. @param path absolute. */
export function whyNoSocket(path: string, platform: NodeJS.Platform): string | undefined {
  if (platform === "win32") return "Unix sockets are not offered on Windows; listen on 127.0.0.1";
  const longest = LONGEST[platform] ?? 103;
  const bytes = Buffer.byteLength(path);
  if (bytes <= longest) return undefined;
  return `the path of a Unix socket has at most ${longest} bytes here, found ${bytes}; choose a shorter one`;
}
