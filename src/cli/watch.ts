/**
 * Finding out that files change.
 *
 * @module
 */

import { basename, dirname, resolve } from "node:path";

/** Milliseconds for which writing must have stopped. */
const SETTLE = 50;

/** Watches files, until it is closed. */
export class FileWatcher implements Disposable {
  readonly #watcher: Deno.FsWatcher;
  readonly #timers = new Map<string, number>();
  /** Resolves when it is closed, and nothing is under way any more. */
  readonly done: Promise<void>;
  /** One after the other. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  /**
   * Calls `onChange` with a path of `paths` when the file there has changed, or
   * another has taken its place. It is called once at a time.
   */
  constructor(
    paths: readonly string[],
    onChange: (path: string) => Promise<void>,
  ) {
    // Of the folders, since an editor puts another file in the place of one.
    const folders = new Set(paths.map((path) => dirname(resolve(path))));
    this.#watcher = Deno.watchFs([...folders], { recursive: false });
    this.done = this.#run(paths, onChange);
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watcher.close();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #run(
    paths: readonly string[],
    onChange: (path: string) => Promise<void>,
  ): Promise<void> {
    for await (const event of this.#watcher) {
      if (event.kind === "access") continue;
      const names = new Set(event.paths.map((path) => basename(path)));
      for (const path of paths) {
        if (names.has(basename(path))) this.#settle(path, onChange);
      }
    }
    await this.#turn;
  }

  #settle(path: string, onChange: (path: string) => Promise<void>): void {
    clearTimeout(this.#timers.get(path));
    const timer = setTimeout(() => {
      this.#timers.delete(path);
      this.#turn = this.#turn.then(() =>
        this.#isClosed ? undefined : onChange(path)
      );
    }, SETTLE) as unknown as number;
    this.#timers.set(path, timer);
  }
}
