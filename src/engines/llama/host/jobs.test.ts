import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { Job } from "./job.ts";
import { Jobs } from "./jobs.ts";

const ABOUT = { model: "weights", ignored: [] };

function job(id: number): Job {
  const prompt = { sections: [], countOffset: 0 };
  const limits = { stopStrings: [], stopSequences: [], maxInputTokens: 10, truncate: false };
  const rest = { sampling: {}, logitBias: [], seed: "5", promptLogprobs: false, healing: false, speculation: false };
  return new Job({ type: "generate", id, lane: "batch", prompt, limits, ends: [0], ...rest }, 1, ABOUT, () => true);
}

/** Memory that is in use, in bytes. */
function used(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}

test("a request that has ended leaves nothing behind", () => {
  const jobs = new Jobs(
    () => true,
    () => 0,
  );
  const before = used();

  for (let id = 0; id < 200_000; id += 1) {
    const each = job(id);
    jobs.add(each);
    jobs.receive({ type: "accepted", id, promptTokens: 1, truncatedTokens: 0 });
    jobs.remove(each);
  }

  expect((used() - before) / 200_000).toBeLessThan(10);
  expect(jobs.atWork).toBe("nobody");
});
