import { expect, test } from "vitest";
import { loadNativeTiny, TinyScheduler } from "../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();

test("x", async () => {
  const s = new TinyScheduler(tiny);
  const t = performance.now();
  const a = await s.ask({ limits: { maxTokens: 60 } }).answer();
  console.log(performance.now() - t, a);
  s.dispose();
  expect(a.reason).toBe("length");
});
