import type { ChoiceResult, Result } from "./output.ts";

/**
 * Keeps the likeliest choices of every prompt, likeliest first (OpenAI's `best_of`): those with the highest mean log
 * probability per token. Choices without log probabilities rank last; equals keep their order. Usage stays that of
 * all choices, since all were generated.
 *
 * @param perPrompt choices generated per prompt. @param keep how many of them stay.
 */
export function keepBest(result: Result, perPrompt: number, keep: number): Result {
  const prompts = Math.ceil(result.choices.length / perPrompt);
  const choices = Array.from({ length: prompts }, (_, prompt) => {
    const group = result.choices.slice(prompt * perPrompt, (prompt + 1) * perPrompt);
    const ranked = group.map((choice) => ({ choice, mean: meanLogprob(choice) }));
    ranked.sort((a, b) => (a.mean === b.mean ? 0 : b.mean - a.mean));
    return ranked.slice(0, keep).map(({ choice }) => choice);
  });
  const echo = result.echo.map((part) => ({ ...part, choice: Math.floor(part.choice / perPrompt) * keep }));
  return { ...result, echo, choices: choices.flat() };
}

function meanLogprob(choice: ChoiceResult): number {
  if (choice.logprobs.length === 0) return Number.NEGATIVE_INFINITY;
  return choice.logprobs.reduce((sum, token) => sum + token.logprob, 0) / choice.logprobs.length;
}
