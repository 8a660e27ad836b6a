/** ModelScope's dialect. Environment and addresses as in modelscope-hub 0.5. */
import { z } from "zod";
import { encodePath, endpointFrom, linkedFile } from "./endpoint.ts";
import { ModelFailure } from "./failure.ts";
import type { Environment, Hub, Listing, ReadJson } from "./hub.ts";

const filesSchema = z.object({
  /** Why there are no data. */
  Message: z.string().nullish(),
  Data: z
    .object({
      Files: z.array(
        z.object({ Path: z.string(), Type: z.string(), Size: z.number().optional(), Sha256: z.string().nullish() }),
      ),
    })
    .nullish(),
});

export function modelScope(env: Environment): Hub {
  // The second is the older spelling, a bare host as a rule.
  const endpoint = endpointFrom(env["MODELSCOPE_ENDPOINT"] || env["MODELSCOPE_DOMAIN"] || "https://www.modelscope.cn");
  const token = env["MODELSCOPE_API_TOKEN"]?.trim();
  return {
    id: "ms",
    title: "ModelScope",
    endpoint,
    endpointVariable: "MODELSCOPE_ENDPOINT",
    tokenVariable: "MODELSCOPE_API_TOKEN",
    // Newer addresses read the header, older ones the cookie; the official client sends both.
    secrets: token ? { authorization: `Bearer ${token}`, cookie: `m_session_id=${token}` } : {},
    defaultRevision: "master",
    list: (repository, revision, read) => list(endpoint, repository, revision, read),
    linked: (path) => {
      const [, repository, revision, file] =
        /^\/models\/([^/]+\/[^/]+)\/(?:resolve|file\/view)\/([^/]+)\/(.+)$/.exec(path) ?? [];
      return linkedFile(repository, revision, file);
    },
  };
}

/** ModelScope names no commit for a whole listing, so the revision stays a name; the checksums tell versions apart. */
async function list(endpoint: string, repository: string, revision: string, read: ReadJson): Promise<Listing> {
  const model = `/api/v1/models/${encodePath(repository)}`;
  const query = new URLSearchParams({ Revision: revision, Recursive: "True" });
  const { value } = await read(`${model}/repo/files?${query}`, filesSchema);
  if (!value.Data)
    throw new ModelFailure(`ModelScope does not list ${repository}: ${value.Message ?? "no reason given"}`);
  const files = value.Data.Files.filter(({ Type }) => Type !== "tree").map(({ Path, Size, Sha256 }) => ({
    path: Path,
    url: `${endpoint}${model}/repo?${new URLSearchParams({ Revision: revision, FilePath: Path })}`,
    ...(Size !== undefined && { sizeBytes: Size }),
    ...(Sha256 && { sha256: Sha256.toLowerCase() }),
  }));
  return { revision, files };
}
