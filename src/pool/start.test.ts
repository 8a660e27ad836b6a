import { expect, test } from "vitest";
import { AWAY, byHeart, END, letters, NEVER, pool, request, thinking } from "../../test/support/pooling.ts";
import { type Script, type Step, startPart, usagePart } from "../../test/support/scripted-engine.ts";
import { collect } from "../continuation/output.ts";

/** The same by weights of that name, which have no use for a setting. */
function by(model: string, ignored: readonly string[], script: Script): Script {
  return (asked) =>
    [...script(asked)].map(
      (step): Step => ("type" in step && step.type === "start" ? { ...step, model, ignored } : step),
    );
}

const startOf = async (scripts: readonly Script[], over: Parameters<typeof pool>[1] = {}) => {
  const asked = request({ interactive: true });
  const { start } = await collect(pool(scripts, over).pool.generate(asked, NEVER));
  return [start.model, start.ignored];
};

test("what is said of an answer is said of the replica that begins it, after a retry", async () => {
  const broken = by("first", ["seed"], () => [startPart(), ...thinking(1), usagePart(1), AWAY]);

  expect(await startOf([broken, by("second", ["topK"], byHeart("upon"))])).toEqual(["second", ["topK"]]);
});

test("and of the winner of a hedged request", async () => {
  let later = (): void => {};
  const after = (_: number, callback: () => void) => {
    later = callback;
    return () => {};
  };
  const silent: Script = function* () {
    yield startPart();
    yield Promise.resolve().then(() => later());
    yield new Promise<void>(() => {});
  };
  const scripts = [by("first", ["seed"], silent), by("second", ["topK"], byHeart("upon"))];

  expect(await startOf(scripts, { hedge: { after: { ms: 300 }, share: 1 }, after })).toEqual(["second", ["topK"]]);
});

test("a replica that goes on with a begun answer changes nothing that was said", async () => {
  const broken = by("first", ["seed"], () => [startPart(), ...letters("up"), usagePart(2), AWAY]);

  expect(
    await startOf([broken, by("second", ["topK"], () => [startPart(), ...letters("on"), END, usagePart(2)])]),
  ).toEqual(["first", ["seed"]]);
});
