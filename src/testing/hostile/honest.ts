/**
 * An honest client that does the same whatever happens beside it. For tests
 * only.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import type { Server } from "../../server/server.ts";
import { parts, readable } from "../frames.ts";
import { sameFrame } from "../differential/same_frame.ts";
import { Peer } from "./peer.ts";
import {
  deleteView,
  makeFromSchema,
  makeView,
  put,
  read,
  request,
  sendData,
  validate,
} from "./requests.ts";

/** Reads, updates and is pushed to, of a table of its own. */
export class HonestClient {
  readonly #peer: Peer;
  #step = 0;

  /** On `server`, as the program itself. */
  constructor(server: Server) {
    this.#peer = new Peer(server);
  }

  /** How many steps it has done. */
  get steps(): number {
    return this.#step;
  }

  /** Makes its table `honest`, and two views with subscriptions. */
  async begin(): Promise<void> {
    await this.#peer.askAll([
      makeFromSchema("honest", [["k", 3], ["g", 0], ["v", 4]], put(1, "k")),
      sendData(Kind.TABLE_UPDATE, "honest", "rows", rowsOf(0, 60)),
      makeView("honest", "honest flat"),
      makeView("honest", "honest grouped", {
        groupBy: ["g"],
        expressions: [["e", '"v" * 2']],
        aggregates: [["v", "avg"]],
      }),
    ]);
    for (const id of ["honest flat", "honest grouped"]) {
      this.#peer.send(
        request(Kind.VIEW_ON_UPDATE, id, (w) => w.tag(1, 0).int32(0)),
      );
    }
  }

  /** Does what comes next. */
  async step(): Promise<void> {
    const n = this.#step++;
    const peer = this.#peer;
    await peer.ask(
      sendData(Kind.TABLE_UPDATE, "honest", "rows", rowsOf(n * 7, 5)),
    );
    await peer.askAll([
      read("honest flat", { startRow: n % 50, endRow: (n % 50) + 9 }),
      read("honest grouped", {}, Kind.VIEW_TO_ARROW),
      read("honest grouped", {}, Kind.VIEW_TO_ROWS_STRING),
      read("honest flat", {}, Kind.VIEW_TO_CSV),
      request(Kind.VIEW_GET_MIN_MAX, "honest flat", put(1, "v")),
      request(Kind.VIEW_DIMENSIONS, "honest grouped"),
      request(Kind.TABLE_SIZE, "honest"),
      request(Kind.TABLE_SCHEMA, "honest"),
      validate("honest", "e", `concat("g", '${n}')`),
    ]);
    const id = `honest ${n}`;
    await peer.askAll([
      makeView("honest", id, {
        groupBy: ["g"],
        splitBy: n % 2 === 0 ? ["g"] : [],
        columns: ["v", "k"],
        sorts: [["v", 2]],
      }),
      read(id),
      request(Kind.VIEW_EXPAND, id, (w) => w.tag(1, 0).uint32(1)),
      request(Kind.VIEW_SCHEMA, id),
      deleteView(id),
    ]);
  }

  /**
   * How what it got differs from what `other`, who has done the same, got:
   * answers and pushes, by request.
   */
  async differences(other: HonestClient): Promise<string[]> {
    const [mine, theirs] = [this.#peer, other.#peer];
    await mine.until(() => mine.frames.size >= theirs.frames.size);
    const found: string[] = [];
    for (const [msgId, expected] of theirs.frames) {
      const got = mine.frames.get(msgId) ?? [];
      await mine.until(() => got.length >= expected.length);
      const at = expected.findIndex((it, i) =>
        got[i] === undefined || !sameFrame(it, got[i]!)
      );
      if (at < 0 && got.length === expected.length) continue;
      const [left, right] = [expected, got].map((all) =>
        all[at] && `${parts(all[at]).kind} ${readable(parts(all[at]).content)}`
      );
      found.push(
        `request ${msgId}, frame ${at} of ${expected.length} and ` +
          `${got.length}:\n  expected ${left}\n  received ${right}`,
      );
    }
    return found;
  }
}

function rowsOf(first: number, count: number): string {
  return JSON.stringify(Array.from({ length: count }, (_, i) => ({
    k: (first + i) % 60,
    g: ["A", "é", "👍", ""][(first + i * 3) % 4],
    v: ((first + i) % 13) / 4,
  })));
}
