import { describe, expect, test } from "vitest";
import { load, problems } from "../../test/support/configuration.ts";
import { deterministicModels } from "./models.ts";

const TWO = "engines:\n  gpu: { kind: vllm, url: http://10.0.0.5:8000 }\nmodels:\n  a: a.gguf\n  b: { engine: gpu }\n";

describe("a model of several others", () => {
  test("with all that can be said of it", () => {
    const { models } = load(
      `${TWO}  both:
    replicas: [a, { model: b, weight: 2.5 }]
    policy: prefix_affinity
    max_resumes: 1
    hedge: { after: 1s500ms }
    aliases: [pair]
    sampling: { temperature: 0.3 }
    capabilities: { partial: false }
`,
    );

    expect(models.at(-1)).toEqual({
      ...{ kind: "pool", name: "both", policy: "prefix_affinity", maxResumes: 1 },
      hedge: { after: { ms: 1500 }, share: 0.1 },
      replicas: [
        { model: "a", weight: 1 },
        { model: "b", weight: 2.5 },
      ],
      sampling: { temperature: 0.3 },
      capabilities: { partial: false },
    });
  });

  test("is least loaded and goes on three times unless told otherwise; other models can use it", () => {
    const config = load(`${TWO}  both: { replicas: [a, b] }\n  qwen-plus: { use: both }\ndefault: both\n`);

    expect(config.models[2]).toMatchObject({ policy: "least_loaded", maxResumes: 3 });
    expect(config.mappings.get("qwen-plus")).toBe("both");
    expect(config.defaultModel).toBe("both");
  });

  test("is deterministic where all of them are", () => {
    const files = ["a: { file: a.gguf, deterministic: true }", "b: { file: a.gguf, deterministic: true }", "c: a.gguf"];
    const pools = ["all: { replicas: [a, b] }", "some: { replicas: [a, c] }"];
    const config = load(`models:\n${[...files, ...pools].map((line) => `  ${line}\n`).join("")}`);

    expect([...deterministicModels(config)]).toEqual(["a", "b", "all"]);
  });

  test("is not touched by what is for every model in a file", () => {
    expect(load(`${TWO}  both: { replicas: [a, b] }\n`, { threads: "2" }).models.at(-1)).not.toHaveProperty("threads");
  });

  test.each([
    ["nobody", "replicas: []", "replicas: expected at least one name of a model"],
    ["a stranger", "replicas: [a, other]", 'replicas.1: no model is named "other"; choose one of a, b'],
    ["a slip", "replicas: [a, b1]", 'replicas.1: no model is named "b1"; did you mean "b"?'],
    ["one twice", "replicas: [a, { model: a }]", 'replicas.1: "a" is a replica already; name it once'],
    ["itself", "replicas: [a, both]", 'replicas.1: "both" is no model in a file or of an engine; name those here'],
    [
      "no weight",
      "replicas: [{ model: a, weight: 0 }]",
      "replicas.0.weight: expected a number from 0.01 to 1000, found 0",
    ],
    [
      "a file too",
      "replicas: [a], file: x.gguf",
      "file: this is for a model with weights of its own; set it on the replicas",
    ],
    [
      "another policy",
      "replicas: [a], policy: best",
      "policy: expected least_loaded, weighted, sticky or prefix_affinity",
    ],
    ["a policy alone", "file: a.gguf, policy: sticky", "policy: `policy` is for a model of several others"],
    ["a hedge alone", "engine: gpu, hedge: { after: 1s }", "hedge: `hedge` is for a model of several others"],
    [
      "an early hedge",
      "replicas: [a], hedge: { after: p20 }",
      "hedge.after: expected a time such as 300ms or 1s, or p50 to p99",
    ],
    ["a hedge for nobody", "replicas: [a], hedge: { share: 0.5 }", "hedge.after: expected a time such as"],
    ["resumes alone", "engine: gpu, max_resumes: 1", "max_resumes: `max_resumes` is for a model of several others"],
  ])("that names %s is refused", (_, entry, message) => {
    expect(problems(`${TWO}  both: { ${entry} }\n`).join("\n")).toContain(`models.both.${message}`);
  });
});
