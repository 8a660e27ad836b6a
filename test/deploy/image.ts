/**
 * Carries out `deploy/Dockerfile` without Docker, as far as that is possible, and asks what comes out of it:
 *
 *     npx tsx test/deploy/image.ts
 *
 * Each stage is a folder; COPY takes from the files that .dockerignore leaves and puts them there, RUN runs there with absolute
 * paths meaning the folder's. Then the program starts as the image says, as a user without rights over its files. Base images
 * are not fetched: Node, npm and the system's libraries are those of this machine. Counts in its last line.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { post } from "../support/calls.ts";
import { print, Tally } from "../support/tally.ts";
import { ignoredBy, instructionsOf } from "./dockerfile.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 120_000;
/** The user `node` of Node's images. */
const USER = 1_000;

interface Stage {
  /** Its root folder. */
  readonly root: string;
  workdir: string;
  readonly env: Record<string, string>;
  readonly settings: Map<string, string>;
}

const scratch = mkdtempSync(join(tmpdir(), "continuo-image-"));
chmodSync(scratch, 0o755);
const tally = new Tally();
try {
  const image = build();
  await tally.check("the image holds what it needs, and no development packages or sources", async () => {
    const there = ["dist/cli/main.js", "model/continuo-135m.gguf", "catalogue.json", "node_modules/fastify"];
    const away = ["src", "node_modules/typescript", "node_modules/vitest", "test", "training", ".git"];
    for (const path of there) if (!existsSync(join(image.root, "app", path))) throw new Error(`${path} is missing`);
    for (const path of away) if (existsSync(join(image.root, "app", path))) throw new Error(`${path} is in the image`);
    console.log(
      `app: ${
        spawnSync("du", ["-sh", join(image.root, "app")])
          .stdout.toString()
          .split("\t")[0]
      }`,
    );
  });
  await tally.check("it starts as its user, answers, is healthy, and ends with SIGTERM", () => serve(image));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
tally.finish();

function build(): Stage {
  const isIgnored = ignoredBy(readFileSync(join(ROOT, "deploy/Dockerfile.dockerignore"), "utf8"));
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const [name, rest] of instructionsOf(readFileSync(join(ROOT, "deploy/Dockerfile"), "utf8"))) {
    if (name === "FROM") {
      const [, as = "image"] = / AS (\w+)$/.exec(rest) ?? [];
      stage = { root: join(scratch, as), workdir: "/", env: {}, settings: new Map() };
      mkdirSync(stage.root);
      stages.set(as, stage);
      continue;
    }
    if (stage === undefined) throw new Error(`${name} before FROM`);
    carryOut(stage, name, rest, stages, isIgnored);
  }
  if (stage === undefined) throw new Error("no stage");
  return stage;
}

function carryOut(
  stage: Stage,
  name: string,
  rest: string,
  stages: ReadonlyMap<string, Stage>,
  isIgnored: (path: string) => boolean,
): void {
  if (name === "WORKDIR") {
    stage.workdir = rest;
    mkdirSync(join(stage.root, rest), { recursive: true });
  } else if (name === "ENV") {
    const [variable = "", value = ""] = rest.split("=");
    stage.env[variable] = value;
  } else if (name === "COPY") copy(stage, rest, stages, isIgnored);
  else if (name === "RUN") run(stage, rest);
  else stage.settings.set(name, rest);
}

function copy(
  stage: Stage,
  rest: string,
  stages: ReadonlyMap<string, Stage>,
  isIgnored: (path: string) => boolean,
): void {
  const words = rest.split(/\s+/);
  const [, from] = /^--from=(\w+)$/.exec(words[0] ?? "") ?? [];
  const paths = from === undefined ? words : words.slice(1);
  const target = join(stage.root, stage.workdir, paths.pop() ?? "");
  const source = from === undefined ? ROOT : (stages.get(from)?.root ?? "");
  for (const path of paths) {
    const whole = join(source, path);
    const into = paths.length > 1 || target.endsWith("/") ? join(target, basename(path)) : target;
    // What .dockerignore leaves out is not there for COPY.
    const filter = (each: string) => from !== undefined || !isIgnored(relative(ROOT, each));
    if (!filter(whole)) throw new Error(`COPY ${path}: .dockerignore leaves it out`);
    cpSync(whole, into, { recursive: true, filter });
  }
}

/** Absolute paths in it are the stage's. Changing an owner is left to `serve`: the names are those of the base image. */
function run(stage: Stage, command: string): void {
  if (command.startsWith("chown ")) return;
  print(`RUN ${command}`);
  const moved = command.replaceAll(/(?<= )\//g, `${stage.root}/`);
  const { NODE_ENV: _, ...env } = process.env;
  const { status } = spawnSync("sh", ["-c", moved], {
    cwd: join(stage.root, stage.workdir),
    env: { ...env, ...stage.env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) throw new Error(`RUN ${command} ended with ${status}`);
}

/** What it answered. */
async function serve(image: Stage): Promise<string> {
  const data = join(image.root, image.env["CONTINUO_DATA_DIR"] ?? "");
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(data, USER, USER);
  const list = (setting: string): readonly string[] => JSON.parse(image.settings.get(setting) ?? "[]");
  const [program = "", ...args] = [...list("ENTRYPOINT"), ...list("CMD")];
  const child = spawn(program === "node" ? process.execPath : program, args, {
    cwd: join(image.root, image.workdir),
    env: {
      ...image.env,
      CONTINUO_DATA_DIR: data,
      CONTINUO_PORT: "0",
      CONTINUO_API_KEY: "sk-test",
      HOME: "/nonexistent",
    },
    stdio: ["ignore", "pipe", "pipe"],
    ...(isRoot && { uid: USER, gid: USER }),
  });
  try {
    const port = await portOf(child);
    const url = `http://127.0.0.1:${port}`;
    const answer = await post(
      url,
      "/v1/completions",
      { model: "continuo-135m", prompt: "def add(a, b):\n    return", max_tokens: 8, temperature: 0 },
      { authorization: "Bearer sk-test" },
    );
    if (answer.status !== 200) throw new Error(answer.text);
    const [, health = "[]"] = / CMD (\[.*)$/.exec(image.settings.get("HEALTHCHECK") ?? "") ?? [];
    const [, ...check]: string[] = JSON.parse(health.replace(":8100/", `:${port}/`));
    if (spawnSync(process.execPath, check).status !== 0) throw new Error("the health check fails");
    child.kill(image.settings.get("STOPSIGNAL") as NodeJS.Signals);
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`it ended with ${code}`);
    return JSON.stringify(answer.json.choices[0].text);
  } finally {
    child.kill("SIGKILL");
  }
}

/** Rejects with what it said when it ends or does not come up. */
function portOf(child: ChildProcess): Promise<number> {
  let said = "";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not up in ${START_MS} ms:\n${said}`)), START_MS);
    child.once("exit", (code) => reject(new Error(`ended with ${code}:\n${said}`)));
    for (const pipe of [child.stdout, child.stderr]) {
      pipe?.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        const port = /^Listening on http:\S+?:(\d+)/m.exec(said)?.[1];
        if (port === undefined) return;
        clearTimeout(timer);
        resolve(Number(port));
      });
    }
  });
}
