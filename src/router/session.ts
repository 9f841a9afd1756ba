/**
 * One client, as the router sees it.
 *
 * @module
 */

import { type OnError, toError } from "../errors.ts";
import { errorAnswer } from "../protocol/answers.ts";
import { readdress } from "../protocol/frame.ts";
import {
  entityOf,
  type Header,
  newHeader,
  readHeader,
} from "../protocol/header.ts";
import {
  hasKind,
  Kind,
  type KindInfo,
  kindInfo,
  kindName,
  SERVER_ERROR,
} from "../protocol/kinds.ts";
import { subscribes } from "../protocol/requests.ts";
import { Asker } from "./asker.ts";
import { change } from "./changes.ts";
import { Gate } from "./gate.ts";
import { Inbox } from "./inbox.ts";
import { Inspection } from "./inspection.ts";
import type { RequestObserver, SessionObserver } from "./observer.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
import type { RefusalReason } from "./refusal.ts";
import type { Route, RouteOwner } from "./route.ts";
import type {
  FrameRole,
  Holding,
  SessionEnd,
  SessionHost,
  SessionLimits,
  SessionOptions,
} from "./session_host.ts";
import { roleOf, Subscriptions } from "./subscriptions.ts";
import { readSystemInfo, readTable } from "./table_reads.ts";
import { VisibleTables } from "./visible_tables.ts";
import type { EngineView } from "./view.ts";
import { Views } from "./views.ts";

/** Bytes of the longest name of a table or view (Invariant 8). */
const LONGEST_NAME = 4_096;

/**
 * What requests are read into, of all sessions. Only those may read it who are
 * given it as an argument, and not for long: see {@linkcode RequestHeader}.
 */
const HEADER = newHeader();

/**
 * So many answers after an engine was lost at something that a session asked,
 * it may have several requests in flight again.
 */
const CAUTIOUS_FOR = 100;

/** What the program's own sessions may have. */
const NO_LIMITS = {
  maxViews: Infinity,
  maxSubscriptions: Infinity,
  maxTables: Infinity,
  maxResultSize: Infinity,
};

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A client's session: takes its requests, decides what they are, sends it what
 * comes for it, and cleans up after it.
 */
export class Session implements RouteOwner, Holding {
  readonly #router: SessionHost;
  readonly #options: SessionOptions;
  readonly #onError: OnError;
  readonly #inbox: Inbox;
  readonly #asker: Asker;
  readonly #views: Views;
  readonly #subscriptions: Subscriptions;
  readonly #gate: Gate | undefined;
  readonly #inspection: Inspection | undefined;
  readonly #tables: VisibleTables | undefined;
  readonly #unlisten: (() => void) | undefined;
  readonly #maxStrikes: number;
  readonly #maxResultSize: number;
  /** What follows its requests, if something does. */
  #observer: SessionObserver | undefined;
  #strikes = 0;
  /** Answers to be taken one by one, since an engine was lost at a request. */
  #caution = 0;
  #closed = false;
  #stopped = false;

  /** Made by {@linkcode Router.openSession}. */
  constructor(
    router: SessionHost,
    options: SessionOptions,
    limits: SessionLimits,
    onError: OnError,
  ) {
    this.#router = router;
    this.#options = options;
    this.#onError = onError;
    const translates = (options.line ?? router.line) !== router.line;
    this.#inbox = new Inbox(limits);
    this.#maxStrikes = limits.maxStrikes;
    const has = options.access === undefined ? NO_LIMITS : limits;
    const { maxTables } = has;
    this.#asker = new Asker(router, this, this.#inbox, translates, maxTables);
    this.#maxResultSize = has.maxResultSize;
    this.#subscriptions = new Subscriptions(this.#asker, has.maxSubscriptions);
    this.#views = new Views(this.#asker, this.#subscriptions, has.maxViews);
    if (options.access !== undefined) {
      const viewOf = (name: string) => this.#views.get(name);
      const gate = new Gate(options.access, this.#asker, viewOf);
      if (router.inspector !== undefined) {
        this.#inspection = new Inspection(
          options.access,
          this.#asker,
          router.inspector,
          viewOf,
        );
      }
      const tell = () => this.#tellOfTables();
      this.#gate = gate;
      this.#tables = new VisibleTables(this.#asker, gate, tell);
      this.#unlisten = options.access.onUpdate(() => this.#onAccess());
    }
  }

  /** Whether the session has ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Requests that it has taken and that aren't answered yet. */
  get pending(): number {
    return this.#inbox.size;
  }

  /**
   * Takes a request. The frame must stay as it is until it is answered.
   *
   * Whatever is wrong with it is answered with a `server_error`; this never
   * throws.
   */
  handleRequest(frame: Uint8Array): void {
    if (this.#closed || this.#stopped) return;
    this.#router.countRequest();
    this.#observer?.asked(frame);
    const full = this.#inbox.whyFull(frame.length);
    if (full !== undefined) {
      readHeader(frame, HEADER);
      this.#asker.refuse(frame, HEADER, full, "limits");
    } else if (this.#inbox.isHolding) this.#inbox.hold(frame);
    else this.#handle(frame);
  }

  /**
   * Ends the session: its views are deleted, its subscriptions dropped, and
   * answers that are still to come are for nobody. Safe to call twice.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#observer?.ended();
    this.#unlisten?.();
    this.#router.forget(this);
    // What it asked is still done: a program may send changes and be gone.
    if (!this.#inbox.isHolding) this.#release();
  }

  // -- For the router --------------------------------------------------------

  /** Has `observer` follow its requests from now on; with none, nobody. */
  observe(observer: RequestObserver | undefined): void {
    this.#observer = observer?.opened((name) =>
      this.#views.get(name)?.engineView.table
    );
  }

  /** Sends an answer of the router's own. */
  reply(frame: Uint8Array, refusal?: RefusalReason): void {
    this.#send(frame, "answer", refusal);
  }

  /** See {@linkcode RouteOwner.subscribed}. */
  subscribed(msgId: number): void {
    this.#observer?.subscribed(msgId);
  }

  /** A request won't be heard of any more. */
  done(size: number, wasPutOff?: boolean): void {
    this.#inbox.done(size, wasPutOff);
  }

  /**
   * An engine was lost at something that it asked, which is tried once more.
   * Until it has been answered often enough, it is asked one by one, so that it
   * doesn't take several engines at once.
   */
  suspect(): void {
    this.#caution = CAUTIOUS_FOR;
  }

  /** An engine was lost at something that it asked, which isn't tried again. */
  strike(): void {
    this.suspect();
    if (this.#closed || ++this.#strikes < this.#maxStrikes) return;
    this.#inbox.takeAll(); // it isn't told any more
    this.close();
    this.#router.ban(this);
    this.#tellEnd("too many strikes");
  }

  /** One of its changes was answered. */
  changeAnswered(): void {
    this.#asker.changeAnswered();
  }

  /**
   * Takes up again what it held. What still has to wait is held on. With the
   * last of it, a closed session goes.
   */
  retry(): void {
    this.#inbox.retry((frame) => this.#handle(frame));
    if (this.#closed && !this.#inbox.isHolding) this.#release();
  }

  /** Takes the engine's answer to one of this session's requests. */
  answer(route: Route, frame: Uint8Array, header: Header): void {
    this.#send(addressed(route, frame, header), "answer");
  }

  /** Takes what the engine pushes for one of this session's subscriptions. */
  push(msgId: number, route: Route, frame: Uint8Array, header: Header): void {
    if (this.#gate !== undefined && header.kind !== SERVER_ERROR) {
      if (!this.#gate.passes(route)) return this.#router.countDropped();
      if (route.kind === Kind.GET_HOSTED_TABLES && !this.#gate.seesAll) {
        return this.#tables!.check();
      }
    }
    const { sharing } = this.#router;
    // Otherwise it is counted where it is shared out.
    if (!sharing && route.view !== undefined) this.#router.countPushes(1);
    const toClient = addressed(route, frame, header);
    if (header.kind === SERVER_ERROR) {
      this.#subscriptions.failed(msgId, route);
      this.#send(toClient, "answer");
    } else this.#send(toClient, roleOf(msgId, route, frame, header));
  }

  /** See {@linkcode RouteOwner.moved}. */
  moved(from: number, to: number): void {
    this.#subscriptions.moved(from, to);
  }

  /** Takes the answer to a `table_delete`. */
  deleted(
    msgId: number,
    route: Route,
    frame: Uint8Array,
    header: Header,
  ): void {
    const table = decoder.decode(route.entity);
    if (header.kind !== SERVER_ERROR) this.#router.tableGone(table);
    this.answer(route, frame, header);
    this.#router.deleteAnswered(table, msgId, frame);
  }

  /** Takes no more requests; there is no engine to clean up any more. */
  stop(): void {
    this.#stopped = true;
    this.#unlisten?.();
    this.#views.clear();
    this.#subscriptions.clear();
  }

  /** Answers what it holds, and won't ask any more, with an error (Invariant 3). */
  refuseHeld(message: string): void {
    for (const frame of this.#inbox.takeAll()) {
      readHeader(frame, HEADER);
      const { msgId } = HEADER;
      this.reply(errorAnswer(msgId, entityBytes(frame, HEADER), message));
    }
  }

  /** Ends the session from this side, after {@linkcode Session.stop}. */
  end(reason: SessionEnd): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#observer?.ended();
    this.#tellEnd(reason);
  }

  #tellEnd(reason: SessionEnd): void {
    try {
      this.#options.onEnd?.(reason);
    } catch (thrown) {
      this.#onError(toError(thrown), { stage: "hook" });
    }
  }

  // -- What a request is -----------------------------------------------------

  #handle(frame: Uint8Array): void {
    if (this.#caution > 0 && this.#hasToWait()) return this.#asker.hold(frame);
    const header = HEADER;
    const wrong = readHeader(frame, header);
    if (wrong !== undefined) {
      return this.#asker.refuse(frame, header, `Cannot read request: ${wrong}`);
    }
    const nameLength = header.entityEnd - header.entityStart;
    if (nameLength > LONGEST_NAME) {
      return this.#asker.refuse(
        frame,
        header,
        `Cannot take request: its entity_id has ${nameLength} bytes, at most ` +
          `${LONGEST_NAME} may be`,
      );
    }
    const info = kindInfo(header.kind);
    if (info === undefined || !hasKind(this.#router.line, header.kind)) {
      return this.#asker.refuse(frame, header, unknownKind(header.kind, info));
    }
    try {
      if (this.#gate?.answers(frame, header, info)) return;
      if (this.#inspection?.stops(frame, header)) return;
      if (info.entity === "view") this.#onView(frame, header, info);
      else this.#onTable(frame, header, info);
    } catch (reason) {
      const { message } = toError(reason);
      this.#asker.refuse(
        frame,
        header,
        `Cannot read ${info.name}: ${message}`,
      );
    } finally {
      if (!this.#inbox.isHoldingBack) this.#inspection?.forget();
    }
  }

  /** Whether a request that may be fatal had better wait. */
  #hasToWait(): boolean {
    return this.#inbox.isWaiting || !this.#router.mayGoOn();
  }

  /** Takes a request on a table or the server. */
  #onTable(frame: Uint8Array, header: RequestHeader, info: KindInfo): void {
    const asker = this.#asker;
    if (info.effect === "change") {
      return change(asker, this.#views, frame, header);
    }
    if (info.effect === "make_view") return this.#views.make(frame, header);
    const { kind } = header;
    const table = info.entity === "table" ? entityOf(frame, header) : undefined;
    if (info.effect === "read") {
      if (kind === Kind.SERVER_SYSTEM_INFO && asker.isSeveral) {
        return readSystemInfo(asker, frame, header);
      }
      if (
        kind !== Kind.GET_HOSTED_TABLES || !subscribes(contentOf(frame, header))
      ) return readTable(asker, frame, header, table, this.#gate);
    }
    if (!asker.mayAsk(asker.primary, table)) asker.hold(frame);
    else if (info.effect === "unsubscribe") {
      this.#subscriptions.end(frame, header, info, undefined);
    } else {
      this.#subscriptions.begin(frame, header, undefined);
      if (kind === Kind.GET_HOSTED_TABLES) this.#tables?.check();
    }
  }

  /** Takes a request on a view. */
  #onView(frame: Uint8Array, header: RequestHeader, info: KindInfo): void {
    const view = this.#views.get(entityOf(frame, header));
    if (view === undefined) {
      this.#views.answerMissing(frame, header, info);
    } else if (!this.#mayAskOf(view.engineView)) {
      this.#asker.hold(frame);
    } else if (info.effect === "subscribe") {
      this.#subscriptions.begin(frame, header, view);
    } else if (info.effect === "unsubscribe") {
      this.#subscriptions.end(frame, header, info, view);
    } else this.#views.ask(frame, header, info, view);
  }

  #mayAskOf(view: EngineView): boolean {
    return view.isReadyFor(this) &&
      this.#asker.mayAsk(view.replica, view.table);
  }

  // -- Its client, and its end -----------------------------------------------

  #send(frame: Uint8Array, role: FrameRole, refusal?: RefusalReason): void {
    if (this.#closed) this.#router.countDropped();
    else if (role !== "answer") this.#write(frame, role);
    else if (frame.length <= this.#maxResultSize) {
      this.#observer?.answered(frame, refusal);
      this.#write(frame, role);
    } else {
      const instead = this.#tooLarge(frame);
      this.#observer?.answered(instead, "limits");
      this.#write(instead, role);
    }
    if (role === "answer" && this.#caution > 0) {
      this.#caution--;
      if (this.#inbox.isHolding) this.retry();
    }
  }

  /** What is answered instead of `answer`. */
  #tooLarge(answer: Uint8Array): Uint8Array {
    this.#router.countRefused("limits");
    const header = newHeader();
    readHeader(answer, header);
    const { msgId, kind } = header;
    return errorAnswer(
      msgId,
      entityBytes(answer, header),
      `The answer to ${kindName(kind)} has ${answer.length} bytes, at most ` +
        `${this.#maxResultSize} may be (maxResultSize): ask for fewer rows or ` +
        `columns`,
    );
  }

  #write(frame: Uint8Array, role: FrameRole): void {
    try {
      const { send, takesLent } = this.#options;
      const sent: unknown = send(takesLent ? frame : frame.slice(), role);
      if (sent === undefined) return;
      Promise.resolve(sent).catch((reason) => this.#cannotSend(reason));
    } catch (reason) {
      this.#cannotSend(reason);
    }
  }

  /** A client that can't be written to is gone; nobody else sees anything of it. */
  #cannotSend(reason: unknown): void {
    if (this.#closed) return;
    this.#onError(toError(reason), { stage: "write" });
    this.close();
  }

  /** The list of tables may be another, without an engine telling of it. */
  tableHidden(): void {
    if (this.#subscriptions.followsTables) this.#tables?.check();
  }

  /** It may see other tables than before. */
  #onAccess(): void {
    if (!this.#subscriptions.followsTables) return;
    this.#tables!.check();
    this.#tellOfTables();
  }

  /** There are other tables now, as it sees them. */
  #tellOfTables(): void {
    for (const [push, role] of this.#subscriptions.tablePushes()) {
      this.#send(push, role);
    }
  }

  #release(): void {
    this.#subscriptions.release();
    this.#views.release();
  }
}

function unknownKind(kind: number, info: KindInfo | undefined): string {
  return info === undefined
    ? `Cannot handle request: kind ${kind} is not known to this server`
    : `Cannot handle request: ${kindName(kind)} needs an engine of line 5, ` +
      `@perspective-dev/client`;
}

/** An engine's frame with the client's header, written over the engine's. */
function addressed(
  { msgId, entity }: Route,
  frame: Uint8Array,
  { bodyStart, bodyEnd }: Header,
): Uint8Array {
  return readdress(msgId, entity, frame, bodyStart, bodyEnd);
}
