/** Counts checks of a script: one line each, a summary at the end, and an exit code. */
export class Tally {
  #passed = 0;
  #failed = 0;

  get failed(): number {
    return this.#failed;
  }

  /** Runs one check; a throw is a failure and is printed. `check` may return what to print beside a pass. */
  async check(name: string, check: () => Promise<string | undefined>): Promise<void> {
    try {
      const note = await check();
      this.#passed += 1;
      print(`ok    ${name}${note === undefined ? "" : `: ${note}`}`);
    } catch (error) {
      this.#failed += 1;
      print(`FAIL  ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Prints the summary and makes the process end with an error when anything failed, or nothing was checked. */
  finish(): void {
    print(`${this.#passed} passed, ${this.#failed} failed`);
    if (this.#failed > 0 || this.#passed === 0) process.exitCode = 1;
  }
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Throws an Error with `message` unless the fact holds. */
export function expectThat(fact: boolean, message: string): void {
  if (!fact) throw new Error(message);
}
