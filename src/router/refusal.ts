/**
 * Why the router refuses requests itself.
 *
 * @module
 */

/**
 * Why a request was answered with an error before an engine was asked.
 *
 * - `"invalid"`: it can't be read, isn't known, or can't be done as things are
 * - `"access"`: the session's `Access` doesn't allow it
 * - `"limits"`: one of the limits of a session, in flight, in what it has, or in
 *   what an answer may have
 * - `"guards"`: an engine might not survive it
 */
export type RefusalReason = "invalid" | "access" | "limits" | "guards";

/** Requests that were refused so far, by the reason. */
export type Refusals = Readonly<Record<RefusalReason, number>>;

/** None yet. */
export function noRefusals(): Record<RefusalReason, number> {
  return { invalid: 0, access: 0, limits: 0, guards: 0 };
}
