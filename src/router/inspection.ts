/**
 * Looking at what a session sends before an engine gets it.
 *
 * @module
 */

import type { Access } from "../policy/access.ts";
import { takesData } from "../protocol/requests.ts";
import { kindName } from "../protocol/kinds.ts";
import type { Asker } from "./asker.ts";
import { contentOf, type RequestHeader } from "./request.ts";

/** Why a request isn't handed on; `undefined` if it is. */
export type Verdict = string | undefined;

/** Looks at requests of sessions that aren't trusted. */
export interface Inspector {
  /** Looks at the data in the `content` of a request, at once or on another thread. */
  data(kind: number, content: Uint8Array): Verdict | Promise<Verdict>;
}

/** The request that is being looked at, which the session holds. */
interface Looking {
  readonly frame: Uint8Array;
  /** Set when it is known. */
  verdict?: { readonly refusal: Verdict };
}

/**
 * Has a session's requests looked at, one after the other. One that takes its
 * time is held meanwhile, with all behind it, so that they keep their order.
 */
export class Inspection {
  readonly #access: Access;
  readonly #asker: Asker;
  readonly #inspector: Inspector;
  #looking: Looking | undefined;

  /** Looks at what `asker`'s session sends, as long as `access` doesn't trust it. */
  constructor(access: Access, asker: Asker, inspector: Inspector) {
    this.#access = access;
    this.#asker = asker;
    this.#inspector = inspector;
  }

  /**
   * Refuses or holds a request that an engine mayn't have, or not yet.
   *
   * @returns Whether it has.
   */
  stops(frame: Uint8Array, header: RequestHeader): boolean {
    if (this.#access.trusted) return false;
    const known = this.#looking;
    if (known?.frame === frame) {
      if (known.verdict === undefined) {
        this.#asker.hold(frame);
        return true;
      }
      this.#looking = undefined;
      return this.#refuses(frame, header, known.verdict.refusal);
    }
    const verdict = this.#look(frame, header);
    if (!(verdict instanceof Promise)) {
      return this.#refuses(frame, header, verdict);
    }
    const looking: Looking = this.#looking = { frame };
    this.#asker.hold(frame);
    verdict.then((refusal) => {
      looking.verdict = { refusal };
      this.#asker.session.retry();
    });
    return true;
  }

  #look(
    frame: Uint8Array,
    header: RequestHeader,
  ): Verdict | Promise<Verdict> {
    const { kind } = header;
    if (takesData(kind)) {
      return this.#inspector.data(kind, contentOf(frame, header));
    }
    return undefined;
  }

  #refuses(
    frame: Uint8Array,
    header: RequestHeader,
    refusal: Verdict,
  ): boolean {
    if (refusal === undefined) return false;
    const message = `Cannot take ${kindName(header.kind)}: ${refusal}`;
    this.#asker.refuse(frame, header, message);
    return true;
  }
}
