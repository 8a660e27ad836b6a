import { isUrgent } from "./plan.ts";
import type { Task } from "./task.ts";

/** Tasks without a slot: those that wait for one, and those that left theirs because their reader is behind. */
export class Waiting {
  #tasks: readonly Task[] = [];

  /** Requests that would take a slot if there were one. */
  get requests(): number {
    return new Set(this.#tasks.filter((task) => !task.paused).map((task) => task.id)).size;
  }

  /** The tasks of a request. */
  of(id: number): readonly Task[] {
    return this.#tasks.filter((task) => task.id === id);
  }

  add(...tasks: readonly Task[]): void {
    this.#tasks = [...this.#tasks, ...tasks];
  }

  /**
   * The one to be seated next. A choice waits until the choice whose prompt it can share has evaluated it.
   *
   * @param isEvaluated whether a task's slot holds its prompt.
   */
  next(nowMs: number, isEvaluated: (task: Task) => boolean): Task | undefined {
    const order = (task: Task): number => (isUrgent(task, nowMs) ? 0 : 1);
    const [task] = this.#tasks
      .filter(({ paused }) => !paused)
      .filter(({ leader }) => leader === undefined || leader.finished || leader.cancelled || isEvaluated(leader))
      .sort((a, b) => order(a) - order(b) || a.arrivedMs - b.arrivedMs || a.choice - b.choice);
    return task;
  }

  remove(task: Task): void {
    this.#tasks = this.#tasks.filter((each) => each !== task);
  }

  /** Takes out the tasks of a request. */
  take(id: number): readonly Task[] {
    const taken = this.of(id);
    this.#tasks = this.#tasks.filter((task) => task.id !== id);
    return taken;
  }
}
