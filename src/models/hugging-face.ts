/** Hugging Face's dialect, and its mirrors'. Environment and addresses as in huggingface_hub 2.4. */
import { z } from "zod";
import { encodePath, endpointFrom, linkedFile } from "./endpoint.ts";
import type { Environment, Hub, Listing, ReadJson, RemoteFile } from "./hub.ts";

const revisionSchema = z.object({ sha: z.string() });

const treeSchema = z.array(
  z.object({
    type: z.string(),
    path: z.string(),
    size: z.number(),
    // Large files are kept apart, under the sha256 of their content; `oid` outside is git's own hash.
    lfs: z.object({ oid: z.string(), size: z.number() }).optional(),
  }),
);

export function huggingFace(env: Environment): Hub {
  const endpoint = endpointFrom(env["HF_ENDPOINT"] || "https://huggingface.co");
  // The second is the older spelling, which the official tools still read.
  const token = (env["HF_TOKEN"] || env["HUGGING_FACE_HUB_TOKEN"])?.trim();
  return {
    id: "hf",
    title: "Hugging Face",
    endpoint,
    endpointVariable: "HF_ENDPOINT",
    tokenVariable: "HF_TOKEN",
    secrets: token ? { authorization: `Bearer ${token}` } : {},
    defaultRevision: "main",
    list: (repository, revision, read) => list(endpoint, repository, revision, read),
    linked: (path) => {
      const [, repository, revision, file] = /^\/([^/]+\/[^/]+)\/(?:resolve|blob)\/([^/]+)\/(.+)$/.exec(path) ?? [];
      return linkedFile(repository, revision, file);
    },
  };
}

async function list(endpoint: string, repository: string, revision: string, read: ReadJson): Promise<Listing> {
  const model = `/api/models/${encodePath(repository)}`;
  // The commit, so that a push between the listing and the last byte does not mix two versions.
  const { sha } = (await read(`${model}/revision/${encodeURIComponent(revision)}`, revisionSchema)).value;
  const files: RemoteFile[] = [];
  let page: string | undefined = `${model}/tree/${sha}?recursive=true`;
  while (page !== undefined) {
    const { value, next }: { value: z.output<typeof treeSchema>; next?: string } = await read(page, treeSchema);
    for (const { type, path, size, lfs } of value) {
      if (type !== "file") continue;
      const url = `${endpoint}/${encodePath(repository)}/resolve/${sha}/${encodePath(path)}`;
      files.push({
        path,
        url,
        sizeBytes: lfs?.size ?? size,
        ...(lfs !== undefined && { sha256: lfs.oid.toLowerCase() }),
      });
    }
    page = next;
  }
  return { revision: sha, files };
}
