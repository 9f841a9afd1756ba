/**
 * The frames of a hostile client, by their numbers. For tests only.
 *
 * @module
 */

import { newHeader, readHeader } from "../../protocol/header.ts";
import { Kind, kindInfo, type Line } from "../../protocol/kinds.ts";
import { Random } from "../random.ts";
import {
  type Danger,
  framed,
  type HostileRequest,
  hostileRequest,
  setup,
} from "./hostile_requests.ts";
import { mutated } from "./mutations.ts";

/** Where engines run. */
export type Isolation = "worker" | "process";

/** A frame that is sent. */
export interface HostileFrame {
  /** It is the same for the same seed, line and isolation. */
  readonly number: number;
  readonly bytes: Uint8Array;
  /** The kind of request that it was before it was changed. */
  readonly kind: number;
  readonly source: string;
  readonly mutation: string;
  readonly danger: Danger | undefined;
  /** Whether the next is sent without waiting for an answer. */
  readonly isHurried: boolean;
}

/** What frames are made up from. */
export interface FramesOptions {
  readonly seed: number;
  readonly line: Line;
  readonly isolation: Isolation;
  readonly honest: readonly string[];
  readonly arrow: Uint8Array;
}

/** After so many frames a session makes again what it may have broken. */
export const ROUND = 150;

/**
 * What isn't sent to workers. One that doesn't come back burns a core for ever
 * (ENGINE 7.5), and what it takes is the memory of the whole process, tests
 * included.
 */
const NOT_IN_WORKERS: ReadonlySet<Danger> = new Set(["hangs", "eats"]);

/** With numbers that are changed, these may hang or take gigabytes, too. */
const UNCHANGED_IN_WORKERS: ReadonlySet<number> = new Set([
  Kind.MAKE_TABLE,
  Kind.VIEW_COLUMN_PATHS,
  Kind.VIEW_TO_ARROW,
  Kind.VIEW_TO_COLUMNS_STRING,
  Kind.VIEW_TO_CSV,
  Kind.VIEW_TO_NDJSON_STRING,
  Kind.VIEW_TO_ROWS_STRING,
]);

/** Makes up frames: each depends on its number only, not on those before it. */
export class HostileFrames {
  readonly #options: FramesOptions;
  readonly #header = newHeader();

  /** All frames there are with these options. */
  constructor(options: FramesOptions) {
    this.#options = options;
  }

  /** Frame `number`; `undefined` if that one isn't sent. */
  at(number: number): HostileFrame | undefined {
    const { seed, isolation } = this.#options;
    const random = new Random(Math.imul(seed, 0x9e3779b1) ^ number);
    for (let i = 0; i < 4; i++) random.uint32(); // neighbours are alike at first
    const request = hostileRequest(this.#source(random));
    const { kind, source, danger } = request;
    const isWorker = isolation === "worker";
    if (isWorker && danger && NOT_IN_WORKERS.has(danger)) return undefined;
    const whole = framed(request, number);
    const isMutated = random.chance(danger === undefined ? 0.5 : 0.1);
    if (isWorker && isMutated && UNCHANGED_IN_WORKERS.has(kind)) {
      return undefined;
    }
    const { bytes, mutation } = isMutated
      ? mutated(random, whole)
      : { bytes: whole, mutation: "none" };
    if (this.#changesHonest(bytes)) return undefined;
    const isHurried = random.chance(0.2);
    return { number, bytes, kind, source, mutation, danger, isHurried };
  }

  /** What a session begins with, and has again after each {@linkcode ROUND}. */
  setup(number: number): Uint8Array[] {
    const random = new Random(this.#options.seed ^ 0x5e7);
    const requests: HostileRequest[] = [...setup(this.#source(random))];
    return requests.map((it, i) => framed(it, 0x7000_0000 + number * 64 + i));
  }

  #source(random: Random) {
    const { line, honest, arrow } = this.#options;
    return { random, line, honest, arrow };
  }

  /**
   * Whether it is a change of a table whose rows are checked. Whoever knows a
   * table's name may change it, so that would be no fault of the server's. To
   * make one of a name that is taken isn't a change.
   */
  #changesHonest(bytes: Uint8Array): boolean {
    const header = this.#header;
    if (readHeader(bytes, header) !== undefined) return false;
    const { kind, entityStart, entityEnd } = header;
    if (kindInfo(kind)?.effect !== "change" || kind === Kind.MAKE_TABLE) {
      return false;
    }
    const entity = new TextDecoder().decode(
      bytes.subarray(entityStart, entityEnd),
    );
    return this.#options.honest.includes(entity);
  }
}
