/**
 * Requests and other steps, and what they are written of. For tests only.
 *
 * @module
 */

import { kindInfo, kindName, SERVER_ERROR } from "../../protocol/kinds.ts";
import { fields, type Fill, type Parts } from "../frames.ts";

/** A request before it has a `msg_id`. */
export interface Ask {
  readonly kind: number;
  readonly entity: string;
  readonly content?: Uint8Array | Fill | undefined;
  /** What a reader of a failed test wants to know. */
  readonly text?: string | undefined;
  /** Called with the left server's answer, an error included. */
  readonly after?: ((answer: Parts) => void) | undefined;
  /** Whether it gets an error with whatever message. */
  readonly anyError?: boolean | undefined;
  /** Called before it is sent, with its `msg_id`. */
  readonly before?: ((msgId: number) => void) | undefined;
}

/** A session asks. */
export interface RequestStep {
  readonly type: "request";
  readonly client: number;
  readonly msgId: number;
  readonly ask: Ask;
  readonly frame: Uint8Array;
}

/** What happens next: a session opens, closes or asks. */
export type Step =
  | RequestStep
  | { readonly type: "open"; readonly client: number }
  | { readonly type: "close"; readonly client: number };

/** An entry of the map of strings in `field`. */
export function entry(field: number, key: string, value: string): Fill {
  return (w) =>
    w.tag(field, 2).fork().tag(1, 2).string(key).tag(2, 2).string(value).join();
}

/** Everything, or so many rows and columns. */
export function viewport(to?: { row: number; column: number }): Fill {
  return (w) => {
    w.tag(1, 2).fork();
    if (to !== undefined) {
      w.tag(1, 0).uint32(0).tag(2, 0).uint32(0);
      w.tag(3, 0).uint32(to.row).tag(4, 0).uint32(to.column);
    }
    w.join();
  };
}

/** What stands in `field` of the answer `content`. */
export function valueIn(
  content: Uint8Array,
  field: number,
): number | Uint8Array | undefined {
  return fields(content).find((it) => it.field === field)?.value;
}

/** The bytes in field 1 of an answer that is no error. */
export function bytesOf({ kind, content }: Parts): Uint8Array | undefined {
  if (kind === SERVER_ERROR) return undefined;
  const value = valueIn(content, 1);
  return value instanceof Uint8Array ? value.slice() : undefined;
}

/** Whether `step` changes a table's rows. */
export function isChange(
  step: Step | undefined,
): step is RequestStep {
  return step?.type === "request" &&
    kindInfo(step.ask.kind)?.effect === "change";
}

/** `step` for the reader of a failed test. */
export function inWords(step: Step): string {
  if (step.type !== "request") return `session ${step.client}: ${step.type}`;
  const { client, msgId, ask: { kind, entity, text } } = step;
  const words = `session ${client}: ${kindName(kind)} on "${entity}", msg_id ` +
    `${msgId}${text === undefined ? "" : `: ${text}`}`;
  return words.length <= 1000 ? words : `${words.slice(0, 1000)}…`;
}
