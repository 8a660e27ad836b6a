import fc from "fast-check";
import { expect, test } from "vitest";
import { AWAY, END, letters, pool, request } from "../../test/support/pooling.ts";
import { type Script, startPart, usagePart } from "../../test/support/scripted-engine.ts";
import { collect } from "../continuation/output.ts";

const HEDGE = { after: { ms: 300 }, share: 1 } as const;

test("in whatever order things happen, one whole answer comes, charged once, and nobody is left at work", async () => {
  const turn = fc.record({ saysStart: fc.boolean(), fails: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.tuple(turn, turn, turn), async (scheduler, turns) => {
      const soon = (): Promise<unknown> => scheduler.schedule(Promise.resolve());
      const scripts = turns.map(({ saysStart, fails }): Script => {
        return function* () {
          if (saysStart) yield startPart();
          yield soon();
          if (fails) yield AWAY;
          if (!saysStart) yield startPart();
          yield* letters("u");
          yield soon();
          yield* letters("pon");
          yield END;
          yield soon();
          yield usagePart(4);
        };
      });
      const after = (_: number, callback: () => void) => {
        void soon().then(callback);
        return () => {};
      };
      const made = pool(scripts, { hedge: HEDGE, after });
      const { signal } = new AbortController();
      const asked = collect(made.pool.generate(request({ interactive: true }), signal)).catch(
        (error: unknown) => error,
      );
      const answered = await scheduler.waitFor(asked);
      await scheduler.waitAll();
      await Promise.all(made.engines.flatMap(({ calls }) => calls.map(({ ended }) => ended)));

      const { hedges, hedgeWins, replicas } = made.pool.poolStats();
      expect(made.pool.stats().running).toBe(0);
      expect(replicas.every(({ running }) => running === 0)).toBe(true);
      expect(hedgeWins).toBeLessThanOrEqual(hedges);
      if (turns.every(({ fails }) => fails)) expect(answered).toBe(AWAY);
      else {
        const usage = { promptTokens: 3, completionTokens: 4, source: "engine" };
        expect(answered).toMatchObject({ choices: [{ text: "upon", reason: "stop" }], usage });
      }
    }),
  );
});
