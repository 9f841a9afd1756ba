/**
 * What a session may do.
 *
 * @module
 */

import type { Access, TableAction } from "../policy/access.ts";
import { needOf } from "../policy/permissions.ts";
import {
  madePort,
  sourceNotFound,
  tableNotFound,
  viewNotFound,
} from "../protocol/answers.ts";
import { entityOf } from "../protocol/header.ts";
import { Kind, type KindInfo, kindName } from "../protocol/kinds.ts";
import {
  fromViewOf,
  joinedTables,
  readMakeView,
  takesData,
  updatePort,
} from "../protocol/requests.ts";
import { hasExpressions } from "../protocol/view_config.ts";
import type { Asker } from "./asker.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
import type { Route } from "./route.ts";
import type { EngineView, View } from "./view.ts";

/**
 * The port that who may not update a table is given. A viewer asks for one
 * whenever it opens a table, and needs it to tell its own changes from those of
 * others, but an engine keeps each for ever.
 */
const NO_PORT = 0x7fff_ffff;

/** What is said of a request that isn't allowed, to the client that asked. */
type Refusal = string;

/**
 * Stands between a session and everything else, and lets through what its
 * {@linkcode Access} allows: it is asked for each request and each push, since
 * it may allow something else at any time.
 */
export class Gate {
  readonly #access: Access;
  readonly #asker: Asker;
  readonly #viewOf: (name: string) => View | undefined;

  /** Lets `asker`'s session through as `access` says, with views as it calls them. */
  constructor(
    access: Access,
    asker: Asker,
    viewOf: (name: string) => View | undefined,
  ) {
    this.#access = access;
    this.#asker = asker;
    this.#viewOf = viewOf;
  }

  /** Whether it sees all tables, those to come included. */
  get seesAll(): boolean {
    return this.#access.rules.see === true;
  }

  /** Whether the session is told that there is such a table. */
  sees(table: string): boolean {
    return this.#access.may("see", table);
  }

  /** Whether what `route`, a subscription, is pushed gets through. */
  passes({ kind, view, entity }: Route): boolean {
    if (view !== undefined) return this.#mayRead(view.engineView);
    return kind !== Kind.TABLE_ON_DELETE ||
      this.sees(new TextDecoder().decode(entity));
  }

  /**
   * Answers a request that isn't allowed, and no other.
   *
   * @returns Whether it has.
   */
  answers(frame: Uint8Array, header: RequestHeader, info: KindInfo): boolean {
    if (this.#access.allowsAll && header.kind !== Kind.TABLE_UPDATE) {
      return false;
    }
    const need = needOf(header.kind);
    if (need === undefined) return false;
    return info.entity === "view"
      ? this.#answersOnView(frame, header)
      : this.#answersOnTable(frame, header, need);
  }

  #answersOnView(frame: Uint8Array, header: RequestHeader): boolean {
    const view = this.#viewOf(entityOf(frame, header));
    if (view === undefined) return false; // as everywhere
    const { engineView } = view;
    if (!this.sees(engineView.table)) {
      const entity = entityBytes(frame, header);
      this.#asker.reply(viewNotFound(header.msgId, entity));
      return true;
    }
    if (this.#mayRead(engineView)) return false;
    return this.#refuse(
      frame,
      header,
      this.#access.may("read", engineView.table)
        ? lacksExpressions(header.kind)
        : lacks(header.kind, "read", engineView.table),
    );
  }

  #answersOnTable(
    frame: Uint8Array,
    header: RequestHeader,
    need: TableAction,
  ): boolean {
    const { msgId, kind } = header;
    const table = entityOf(frame, header);
    const entity = entityBytes(frame, header);
    if (need !== "create" && !this.sees(table)) {
      // As if it weren't there, whether it is or not.
      const answer = tableNotFound(msgId, entity, kind);
      if (answer !== undefined) this.#asker.reply(answer);
      return true;
    }
    if (!this.#access.may(need, table)) {
      return this.#refuse(frame, header, lacks(kind, need, table));
    }
    if (kind === Kind.TABLE_MAKE_PORT && !this.#access.may("update", table)) {
      this.#asker.reply(madePort(msgId, entity, NO_PORT));
      return true;
    }
    if (kind === Kind.MAKE_JOIN_TABLE) {
      for (const source of joinedTables(contentOf(frame, header))) {
        if (this.sees(source)) continue;
        this.#asker.reply(sourceNotFound(msgId, entity, source));
        return true;
      }
    }
    const why = this.#whyNot(frame, header);
    return why !== undefined && this.#refuse(frame, header, why);
  }

  /** What the content of a request needs that isn't allowed. */
  #whyNot(frame: Uint8Array, header: RequestHeader): Refusal | undefined {
    const { kind } = header;
    const access = this.#access;
    if (kind === Kind.TABLE_MAKE_VIEW) {
      if (access.expressions) return undefined;
      const { config } = readMakeView(contentOf(frame, header));
      return hasExpressions(config) ? lacksExpressions(kind) : undefined;
    }
    if (kind === Kind.TABLE_VALIDATE_EXPR) {
      // Viewers ask it with none, too.
      const isEmpty = header.contentStart === header.bodyEnd;
      return access.expressions || isEmpty ? undefined : lacksExpressions(kind);
    }
    if (kind === Kind.MAKE_JOIN_TABLE) {
      const source = joinedTables(contentOf(frame, header))
        .find((it) => !access.may("read", it));
      return source === undefined ? undefined : lacks(kind, "read", source);
    }
    if (!takesData(kind)) return undefined;
    if (
      kind === Kind.TABLE_UPDATE &&
      updatePort(contentOf(frame, header)) === NO_PORT
    ) {
      return `Cannot take ${kindName(kind)}: its port was given when the ` +
        `table could not be updated; ask for another with table_make_port`;
    }
    const name = fromViewOf(frame, header);
    const source = name === undefined ? undefined : this.#viewOf(name);
    if (source === undefined || this.#mayRead(source.engineView)) {
      return undefined;
    }
    return lacks(kind, "read", source.engineView.table);
  }

  /** Whether the session may read a view that it has. */
  #mayRead({ table, hasExpressions }: EngineView): boolean {
    const access = this.#access;
    return access.may("read", table) && (access.expressions || !hasExpressions);
  }

  #refuse(frame: Uint8Array, header: RequestHeader, why: Refusal): true {
    this.#asker.refuse(frame, header, why, "access");
    return true;
  }
}

function lacks(kind: number, need: TableAction, table: string): Refusal {
  return `Access denied: ${kindName(kind)} needs "${need}" on table ` +
    `"${table}", which this session doesn't have`;
}

function lacksExpressions(kind: number): Refusal {
  return `Access denied: ${kindName(kind)} needs "expressions", which this ` +
    `session doesn't have`;
}
