/**
 * A real engine without a router, asked frame by frame. For tests only.
 *
 * @module
 */

import { BinaryReader, type BinaryWriter } from "@bufbuild/protobuf/wire";
import { LocalEngine } from "../engine/local_engine.ts";
import { loadPackage } from "../engine/package.ts";
import { simpleRequest } from "../protocol/answers.ts";
import { Reframed, utf8 } from "../protocol/frame.ts";
import { newHeader, readHeader } from "../protocol/header.ts";
import { Kind, kindInfo, type Line, SERVER_ERROR } from "../protocol/kinds.ts";
import { makeViewRequest } from "../protocol/requests.ts";
import { ENGINES } from "./engines.ts";
import { errorOf, type Fill, frame, message, parts } from "./frames.ts";

/** Rows for a table, or keys to remove; text is CSV, bytes are Arrow. */
export type Data = readonly unknown[] | string | Uint8Array;

/** A `ViewConfig`, in short. */
export interface Config {
  readonly groupBy?: readonly string[];
  readonly splitBy?: readonly string[];
  /** All of them by default. */
  readonly columns?: readonly string[];
  /** A column and a `SortOp`. */
  readonly sort?: readonly [string, number];
  /** A name and what it is. */
  readonly expression?: readonly [string, string];
  readonly depth?: number;
}

/** An engine of `line` to be asked frame by frame. */
export class BareEngine {
  readonly line: Line;
  /** What was pushed since they were last taken. */
  pushes: Uint8Array[] = [];
  readonly #engine: LocalEngine;
  #answer: Uint8Array | undefined;
  #msgId = 0;
  readonly #views = new Set<string>();

  private constructor(engine: LocalEngine) {
    this.#engine = engine;
    this.line = engine.line;
    const fail = (error: Error) => {
      throw error;
    };
    engine.listen({
      frame: (bytes) => {
        if (parts(bytes).msgId === this.#msgId) this.#answer = bytes.slice();
        else this.pushes.push(bytes.slice());
      },
      failed: (_, error) => fail(error),
      fault: fail,
      fatal: fail,
      executed: () => {},
      heap: () => {},
    });
  }

  /** A new one; those of a line share one WebAssembly memory. */
  static async start(line: Line): Promise<BareEngine> {
    const { newServer } = await loadPackage(ENGINES[line]);
    return new BareEngine(new LocalEngine(newServer(), line));
  }

  /** The content of the answer to `request`, which it polls after if it is a change. */
  send(request: Reframed, kind: number): Uint8Array {
    this.#msgId = request.msgId;
    this.#answer = undefined;
    this.#engine.send(request, kind, kindInfo(kind)!.effect === "change");
    const answer = this.#answer;
    if (answer === undefined) return new Uint8Array(0);
    const { kind: answered, content } = parts(answer);
    if (answered === SERVER_ERROR) throw new Error(errorOf(answer).message);
    return content;
  }

  /** The same for a request that is written here. */
  ask(entity: string, kind: number, content?: Uint8Array | Fill): Uint8Array {
    const bytes = frame(1000 + this.#msgId, entity, kind, content);
    const header = newHeader();
    readHeader(bytes, header);
    const { msgId, bodyStart, bodyEnd } = header;
    return this.send(
      new Reframed(msgId, utf8(entity), bytes, bodyStart, bodyEnd),
      kind,
    );
  }

  /** Makes `table` with `options`, a `MakeTableOptions`. */
  makeTable(table: string, data: Data | Fill, options?: Fill): Uint8Array {
    const content = makeTable(data, options);
    this.ask(table, Kind.MAKE_TABLE, content);
    return content;
  }

  /** Changes `table`; `kind` is by default an update. */
  change(
    table: string,
    data: Data,
    kind: number = Kind.TABLE_UPDATE,
    port = 0,
  ): void {
    this.ask(table, kind, (it) => {
      it.tag(1, 2).bytes(message(dataOf(data)));
      if (port > 0) it.tag(2, 0).uint32(port);
    });
  }

  /** Makes a view that pushes rows if `subscribes` says so. */
  makeView(
    table: string,
    id: string,
    config: Config = {},
    subscribes = false,
  ): void {
    this.#views.add(id);
    this.send(
      makeViewRequest(1, utf8(table), id, configBytes(config)),
      Kind.TABLE_MAKE_VIEW,
    );
    if (!subscribes) return;
    this.ask(id, Kind.VIEW_ON_UPDATE, (it) => it.tag(1, 0).int32(0));
  }

  /** All that a view shows, as Arrow. */
  arrow(id: string): Uint8Array {
    return this.ask(id, Kind.VIEW_TO_ARROW, (it) => it.tag(1, 2).bytes(NONE));
  }

  /** The same as JSON by columns. */
  columns(id: string): Record<string, unknown[]> {
    const content = this.ask(
      id,
      Kind.VIEW_TO_COLUMNS_STRING,
      (it) => it.tag(1, 2).bytes(NONE),
    );
    const reader = new BinaryReader(content);
    reader.tag();
    return JSON.parse(reader.string());
  }

  /** Ends it, with its views: the engine throws of some that a session leaves. */
  close(): void {
    for (const id of this.#views) {
      this.send(simpleRequest(1, utf8(id), Kind.VIEW_DELETE), Kind.VIEW_DELETE);
    }
    this.#engine.close();
  }
}

const NONE = new Uint8Array(0);

/** The content of a `make_table`. */
export function makeTable(data: Data | Fill, options?: Fill): Uint8Array {
  return message((it) => {
    const fill = typeof data === "function" ? data : dataOf(data);
    it.tag(1, 2).bytes(message(fill));
    if (options !== undefined) it.tag(2, 2).bytes(message(options));
  });
}

/** `MakeTableData` that is a schema: types by name, as `ColumnType` numbers them. */
export function schemaOf(types: Readonly<Record<string, number>>): Fill {
  return (it) => {
    it.tag(1, 2).fork();
    for (const [name, type] of Object.entries(types)) {
      it.tag(1, 2).fork().tag(1, 2).string(name).tag(2, 0).int32(type).join();
    }
    it.join();
  };
}

function dataOf(data: Data): Fill {
  return (it) => {
    if (typeof data === "string") it.tag(2, 2).string(data);
    else if (data instanceof Uint8Array) it.tag(3, 2).bytes(data);
    else it.tag(4, 2).string(JSON.stringify(data));
  };
}

/** A `ViewConfig` in bytes. */
export function configBytes(config: Config): Uint8Array {
  const { groupBy, splitBy, columns, sort, expression, depth } = config;
  return message((it: BinaryWriter) => {
    for (const name of groupBy ?? []) it.tag(1, 2).string(name);
    for (const name of splitBy ?? []) it.tag(2, 2).string(name);
    it.tag(3, 2).fork();
    if (columns === undefined) it.tag(1, 0).int32(0);
    else {
      it.tag(2, 2).fork();
      for (const name of columns) it.tag(1, 2).string(name);
      it.join();
    }
    it.join();
    if (sort !== undefined) {
      const [column, op] = sort;
      it.tag(5, 2).fork().tag(1, 2).string(column).tag(2, 0).int32(op).join();
    }
    if (expression !== undefined) {
      const [name, source] = expression;
      it.tag(6, 2).fork().tag(1, 2).string(name).tag(2, 2).string(source)
        .join();
    }
    if (depth !== undefined) it.tag(9, 0).uint32(depth);
  });
}
