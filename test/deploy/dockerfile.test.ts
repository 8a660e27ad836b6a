import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ignoredBy, instructionsOf } from "./dockerfile.ts";

const read = (name: string): string => readFileSync(new URL(`../../deploy/${name}`, import.meta.url), "utf8");

describe("what is sent to the builder", () => {
  const isIgnored = ignoredBy(read("Dockerfile.dockerignore"));

  test.each([
    ["package-lock.json", false],
    ["src/server.ts", false],
    ["eval", false],
    ["eval/held-out.jsonl", false],
    ["model/continuo-135m.gguf", false],
    ["src/pool/policy.test.ts", true],
    ["eval/README.md", true],
    ["node_modules/fastify/package.json", true],
    [".git/config", true],
    ["test/deploy/image.ts", true],
    ["deploy/compose/.env", true],
  ])("%s is left out: %s", (path, isLeftOut) => {
    expect(isIgnored(path)).toBe(isLeftOut);
  });

  test("is all that the package publishes, but for what is built and the READMEs", () => {
    const { files } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    const copied = instructionsOf(read("Dockerfile")).flatMap(([name, rest]) =>
      name === "COPY" ? rest.split(" ") : [],
    );

    for (const file of files.filter((each: string) => !each.startsWith("README"))) {
      expect(copied).toContain(file === "dist" ? "/app/dist" : file);
    }
  });
});

describe("the image", () => {
  const instructions = instructionsOf(read("Dockerfile"));
  const last = (name: string): string => instructions.filter(([each]) => each === name).at(-1)?.[1] ?? "";

  test("runs without rights, is told to stop by SIGTERM, and as process 1 gets the signal itself", () => {
    expect(last("USER")).toBe("node");
    expect(last("STOPSIGNAL")).toBe("SIGTERM");
    expect(JSON.parse(last("ENTRYPOINT"))).toEqual(["node", "dist/cli/main.js"]);
  });

  test("has a Node that the package takes", () => {
    const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    const bases = instructions.filter(([name]) => name === "FROM").map(([, rest]) => /^node:(\d+)-/.exec(rest)?.[1]);

    expect(engines.node).toBe(">=20.19");
    for (const major of bases) expect(Number(major)).toBeGreaterThan(20);
    expect(new Set(bases).size).toBe(1);
  });
});
