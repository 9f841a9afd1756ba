/**
 * What clients have been promised and have got. For tests only.
 *
 * @module
 */

import { Kind, kindName, SERVER_ERROR } from "../../protocol/kinds.ts";
import { valueIn } from "../differential/asks.ts";
import type { Client, Subscription, View } from "../differential/model.ts";
import { sameFrame } from "../differential/same_frame.ts";
import {
  errorOf,
  fields,
  frame,
  type Parts,
  parts,
  readable,
} from "../frames.ts";

/**
 * Whether to leave out what recovery doesn't do right yet: tables that are made
 * twice, views that are expanded while they are empty, reads behind a change of
 * the same session that is under way, the numbers of rows, ports of joins, joins that are made during
 * a rebuild, and what views of joins, lists of tables and those who wait for the
 * end of a table are told meanwhile. `recovery_test.ts` has a case of each.
 */
export const LEAVES_OUT = true;

/** A request that the server hasn't answered. */
export interface Pending {
  readonly client: Client;
  readonly step: number;
  readonly words: string;
  readonly kind: number;
  /** What the reference answered. */
  readonly expected: Uint8Array;
  /** What is asked, if it is a view. */
  readonly view: View | undefined;
  /** Whose changes it sees: a table and what that is joined of. */
  readonly tables: readonly string[];
  readonly isChange: boolean;
  /** Whether it may be an error with another message. */
  readonly anyError: boolean;
  /** Whether the view that is asked shows what it shouldn't. */
  hasDrifted: () => boolean;
  /** Whether a change may or may not be seen, so that only errors count. */
  isVague: boolean;
}

/** A push of the reference's, which the server's clients must have, too. */
interface Owed {
  /** Whether nobody tells of it if an engine is lost now. */
  readonly mayBeLost: boolean;
  readonly change: number;
  readonly client: Client;
  readonly words: string;
}

/** A wrong answer of a view, which may be so because of the view's age. */
export interface Suspicion {
  readonly client: Client;
  readonly view: View;
  /** Whether it is because of that. */
  settle(isAge: boolean): void;
}

/** Takes what goes wrong. */
export type Fail = (what: string, details?: readonly string[]) => void;

/** Keeps the accounts of all sessions. */
export class Ledger {
  readonly #fail: Fail;
  /** Whether all engines live. */
  readonly areAllUp: () => boolean;
  readonly #pending = new Map<string, Pending>();
  /** In the order in which they were asked, for each session. */
  readonly #changes = new Map<Client, number[]>();
  /** By session and subscription, then by port. */
  readonly #owed = new Map<string, Owed[]>();
  /** How many pushes came, from the reference and from the server. */
  readonly #left = new Map<string, number>();
  readonly #right = new Map<string, number>();
  /** Subscriptions that the server knows are over. */
  readonly #ended = new Set<string>();
  /** All subscriptions there were, and whether the server is known to have them. */
  readonly #subscriptions = new Map<string, boolean>();
  readonly #answered = new Set<number>();
  /** What is to be looked into when nothing changes. */
  readonly suspicions: Suspicion[] = [];
  #waiting: { readonly is: () => boolean; readonly resolve: () => void }[] = [];
  /** How many answers were compared, and how many couldn't be. */
  compared = 0;
  vague = 0;
  /** How many differed where the reference isn't right itself. */
  aged = 0;
  pushes = 0;

  /** Nothing is asked yet. */
  constructor(fail: Fail, areAllUp: () => boolean) {
    this.#fail = fail;
    this.areAllUp = areAllUp;
  }

  /** Requests that aren't answered. */
  get pending(): readonly Pending[] {
    return [...this.#pending.values()];
  }

  /** Whether all is answered, and all pushes that are due have come. */
  get isClear(): boolean {
    return this.#pending.size === 0 && this.#owed.size === 0 &&
      this.suspicions.length === 0;
  }

  /** Resolves when it `is` so. */
  until(is: () => boolean): Promise<void> {
    if (is()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ is, resolve }));
  }

  /** Whoever waits is to look again. */
  look(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const it of waiting) {
      if (it.is()) it.resolve();
      else this.#waiting.push(it);
    }
  }

  /** What is still to come, for a reader. */
  describe(): string[] {
    return [
      ...[...this.#pending.values()].map(({ step, words }) =>
        `  no answer to step ${step}: ${words}`
      ),
      ...[...this.#owed.values()].flat().map(({ words }) => `  ${words}`),
    ];
  }

  /** `client` asks what the reference has answered with `expected`. */
  asked(msgId: number, pending: Pending): void {
    this.#pending.set(key(pending.client, msgId), pending);
    if (!pending.isChange) return;
    const changes = this.#changes.get(pending.client);
    if (changes === undefined) this.#changes.set(pending.client, [msgId]);
    else changes.push(msgId);
  }

  /** The reference has pushed something because of step `change`. */
  leftPushed(
    client: Client,
    subscription: Subscription,
    push: Parts,
    { step, change }: { step: number; change: boolean },
  ): void {
    const at = key(client, subscription.msgId);
    this.#left.set(at, (this.#left.get(at) ?? 0) + 1);
    if (!this.#subscriptions.get(at)) return;
    const mayBeLost = push.kind === Kind.VIEW_ON_REMOVE ||
      LEAVES_OUT &&
        (!isUpdate(push) || subscription.view?.table.type === "join");
    if (mayBeLost && !this.areAllUp()) return;
    const owedAt = `${at} ${isUpdate(push) ? portOf(push) : "all"}`;
    const owed = {
      mayBeLost,
      change: change ? step : 0,
      client,
      words: `no push of ${kindName(subscription.kind)} for msg_id ` +
        `${subscription.msgId} on "${subscription.entity}" of session ` +
        `${client.number}, port ${portOf(push)}, because of step ${step}`,
    };
    const before = this.#owed.get(owedAt);
    if (before === undefined) this.#owed.set(owedAt, [owed]);
    else before.push(owed);
  }

  /** `client` subscribes. If it is `confirmed`, the server has it before changes. */
  subscribed(client: Client, msgId: number, confirmed: boolean): void {
    this.#subscriptions.set(key(client, msgId), confirmed);
  }

  /**
   * `client` has ended a subscription, by its view if so: then it is still told
   * that this is deleted.
   */
  ends(client: Client, msgId: number, byView: boolean): void {
    const at = `${key(client, msgId)} `;
    for (const owedAt of [...this.#owed.keys()]) {
      if (!owedAt.startsWith(at) || byView && owedAt === `${at}all`) continue;
      this.#owed.delete(owedAt);
    }
  }

  /** An engine is lost: which rows were removed meanwhile, nobody tells. */
  died(): void {
    for (const [at, owed] of this.#owed) {
      if (owed[0]!.mayBeLost) this.#owed.delete(at);
    }
    this.look();
  }

  /** `client` is gone. */
  closed(client: Client): void {
    const at = key(client, 0).slice(0, -1);
    for (const map of [this.#pending, this.#owed]) {
      for (const it of [...map.keys()]) if (it.startsWith(at)) map.delete(it);
    }
    this.look();
  }

  /**
   * The server has sent `client` something. `onEnd` is told which
   * subscriptions are over by what was asked.
   */
  came(
    client: Client,
    frame: Uint8Array,
    endedBy: (msgId: number) => readonly number[],
  ): void {
    const got = parts(frame);
    const at = key(client, got.msgId);
    const pending = this.#pending.get(at);
    if (pending === undefined) return this.#push(client, at, got, frame);
    this.#pending.delete(at);
    this.#compare(pending, got, frame);
    if (pending.isChange) {
      this.#answered.add(pending.step);
      const first = this.#changes.get(client)?.shift();
      if (first !== got.msgId) {
        this.#fail("Changes of one session were answered in another order", [
          `asked first: ${first}, answered: ${got.msgId}`,
        ]);
      }
    }
    for (const ended of endedBy(got.msgId)) {
      this.#ended.add(key(client, ended));
    }
    this.look();
  }

  #compare(pending: Pending, got: Parts, frame: Uint8Array): void {
    const { expected, isVague, anyError, words, step } = pending;
    const left = parts(expected).kind;
    const areErrors = left === SERVER_ERROR && got.kind === SERVER_ERROR;
    const isWrong = isVague
      ? got.kind === SERVER_ERROR && left !== SERVER_ERROR
      : areErrors
      ? !anyError && messageOf(expected) !== messageOf(frame)
      : !sameFrame(ordered(expected), ordered(frame));
    if (isVague) this.vague++;
    else this.compared++;
    if (!isWrong) return;
    if (!isVague && pending.hasDrifted()) {
      this.aged++;
      return;
    }
    const settle = (isAge: boolean) => {
      if (isAge) this.aged++;
      else {
        this.#fail(`The answer to step ${step} is wrong`, [
          words,
          `expected: ${readable(expected)}`,
          `got:      ${readable(frame)}`,
          ...difference(expected, frame),
        ]);
      }
    };
    const { client, view } = pending;
    if (view === undefined || isVague) settle(false);
    else this.suspicions.push({ client, view, settle });
  }

  #push(client: Client, at: string, got: Parts, frame: Uint8Array): void {
    this.pushes++;
    const who = `session ${client.number}`;
    if (!client.open) return this.#fail(`Something came for ${who}, closed`);
    const details = [readable(frame, 400)];
    if (!this.#subscriptions.has(at) || got.kind === SERVER_ERROR) {
      return this.#fail(
        `Something came for ${who} that nobody waits for, msg_id ${got.msgId}`,
        details,
      );
    }
    if (this.#ended.has(at)) {
      return this.#fail(
        `A push came for ${who} after the end of subscription ${got.msgId}`,
        details,
      );
    }
    this.#right.set(at, (this.#right.get(at) ?? 0) + 1);
    const owedAt = `${at} ${isUpdate(got) ? portOf(got) : "all"}`;
    const owed = this.#owed.get(owedAt);
    if (owed === undefined) return;
    // It stands for all changes that have been answered; of others, for one.
    const left = isUpdate(got)
      ? owed.filter(({ change }) => change > 0 && !this.#answered.has(change))
      : owed.slice(1);
    if (left.length > 0) this.#owed.set(owedAt, left);
    else this.#owed.delete(owedAt);
    this.look();
  }

  /** Fails if somebody got far more than the reference had for them. */
  checkMost(deaths: number): void {
    for (const [at, right] of this.#right) {
      const left = this.#left.get(at) ?? 0;
      // Each death may tell of changes that show nothing, once for each port.
      if (right <= left + deaths * 4) continue;
      this.#fail(`${right} pushes came for ${at}, not ${left}`);
    }
  }
}

/** Of several expressions with the same mistake, the error names any. */
function messageOf(error: Uint8Array): string {
  return errorOf(error).message
    .replace(/(expression) ".*" (cannot overwrite)/, "$1 $2");
}

/** Tables are listed in the order of a map, which a copy doesn't have. */
function ordered(bytes: Uint8Array): Uint8Array {
  const { msgId, entity, kind, content } = parts(bytes);
  if (kind !== Kind.GET_HOSTED_TABLES) return bytes;
  const tables = fields(content).map(({ raw }) => raw.toHex()).sort();
  return frame(msgId, entity, kind, Uint8Array.fromHex(tables.join("")));
}

/** Where they differ, in hex. */
export function difference(left: Uint8Array, right: Uint8Array): string[] {
  let at = 0;
  while (at < left.length && left[at] === right[at]) at++;
  const around = (it: Uint8Array) =>
    it.subarray(Math.max(at - 16, 0), at + 64).toHex();
  return [
    `from byte ${at} of ${left.length} and ${right.length}:`,
    `  ${around(left)}`,
    `  ${around(right)}`,
  ];
}

/** Whether it is a push that may stand for several. */
function isUpdate({ kind }: Parts): boolean {
  return kind === Kind.VIEW_ON_UPDATE || kind === Kind.VIEW_ON_REMOVE;
}

function key({ number }: Client, msgId: number): string {
  return `${number}:${msgId}`;
}

/** The port that a push tells of. */
function portOf({ content }: Parts): number {
  const port = valueIn(content, 2);
  return typeof port === "number" ? port : 0;
}
