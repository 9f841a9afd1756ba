/**
 * Telling of tables only whoever sees them.
 *
 * @module
 */

import { hostedNames } from "../protocol/answers.ts";
import { NO_BYTES } from "../protocol/frame.ts";
import { Kind, SERVER_ERROR } from "../protocol/kinds.ts";
import type { Asker } from "./asker.ts";
import type { Gate } from "./gate.ts";

/**
 * The tables that a session sees, which follows them. An engine says that there
 * is another table, or one less, but not which: so it is asked, and the session
 * is told only if it can see a difference.
 */
export class VisibleTables {
  readonly #asker: Asker;
  readonly #gate: Gate;
  readonly #tell: () => void;
  /** As the session would find them, as far as it was told; in order. */
  #known: string | undefined;
  #isAsking = false;
  #isStale = false;

  /** Has the session of `asker` told by `tell`. */
  constructor(asker: Asker, gate: Gate, tell: () => void) {
    this.#asker = asker;
    this.#gate = gate;
    this.#tell = tell;
  }

  /** There may be others, or the session may see others. */
  check(): void {
    if (this.#isAsking) {
      this.#isStale = true;
      return;
    }
    this.#isAsking = true;
    const { router, primary } = this.#asker;
    this.#asker.ask(
      primary,
      NO_BYTES,
      Kind.GET_HOSTED_TABLES,
      undefined,
      (answer, { kind, contentStart, bodyEnd }) => {
        this.#isAsking = false;
        if (kind === SERVER_ERROR) return; // as any read may fail
        const { hidden } = router.tables;
        const names = hostedNames(answer.subarray(contentStart, bodyEnd))
          .filter((it) => !hidden.has(it) && this.#gate.sees(it));
        this.#onNames(JSON.stringify(names.sort()));
      },
    );
  }

  #onNames(names: string): void {
    const before = this.#known;
    this.#known = names;
    if (before !== undefined && before !== names) this.#tell();
    if (!this.#isStale) return;
    this.#isStale = false;
    this.check();
  }
}
