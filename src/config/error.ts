/** One thing wrong with the configuration. */
export interface Problem {
  /** `file:line:column`, a flag or an environment variable. */
  readonly where: string;
  /** Path of the key, with dots; empty for the document as a whole. */
  readonly field: string;
  /** What was expected, what was found, what to do. */
  readonly message: string;
}

/** The configuration cannot be used. Its message lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(lineOf).join("\n"));
    this.problems = problems;
  }
}

function lineOf({ where, field, message }: Problem): string {
  return field === "" ? `${where}: ${message}` : `${where}: ${field}: ${message}`;
}
