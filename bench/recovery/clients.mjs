// @ts-check
/** Clients of a server that loses engines. */
import { TABLE } from "../load/data.mjs";
import { Line } from "../load/line.mjs";
import { FIRST_ID, WINDOW_ROWS, withoutRows } from "../load/scene.mjs";
import {
  allColumnsString,
  columnsString,
  complaint,
  deleteView,
  makeView,
  onUpdate,
  readAnswer,
  stringField,
  tableSize,
} from "../load/wire.mjs";

/** @typedef {import("../load/types.ts").NamedColumns} NamedColumns */
/** @typedef {import("../load/types.ts").Request} Request */
/** @typedef {(who: string, error: Error) => void} Fail */

/** From one request to the next, in milliseconds. */
const LIGHT_MS = 5;
const WRITER_MS = 50;

/** From an answer to the next request of a reader. */
const READER_MS = 10;

/** By how many rows a reader scrolls. */
const SCROLL_ROWS = 7;

/** @returns {number} the moment */
export function now() {
  return performance.timeOrigin + performance.now();
}

/** Who waits, and for how long. */
class Waits {
  /** @type {{ since: number, until: number }[]} */
  #waits = [];
  begun = 0;
  ended = 0;

  /** Waits from now on. Returns what ends it. */
  begin() {
    const wait = { since: now(), until: Infinity };
    this.#waits.push(wait);
    this.begun++;
    return () => {
      wait.until = now();
      this.ended++;
    };
  }

  /** Forgets what is over. */
  forget() {
    this.#waits = this.#waits.filter(({ until }) => until === Infinity);
  }

  /** The longest that isn't forgotten. */
  get longest() {
    const until = now();
    return Math.max(
      0,
      ...this.#waits.map((it) => Math.min(it.until, until) - it.since),
    );
  }

  /**
   * How long it took from `moment` to the first end of what began after it.
   *
   * @param {number} moment
   */
  firstAfter(moment) {
    const ends = this.#waits.filter(({ since }) => since >= moment)
      .map(({ until }) => until);
    const first = Math.min(...ends);
    return first === Infinity ? null : first - moment;
  }
}

/** What clients have in common. */
class Client {
  waits = new Waits();
  name;
  line;

  /**
   * @param {string} name
   * @param {string} url
   * @param {Fail} fail
   */
  constructor(name, url, fail) {
    this.name = name;
    this.line = new Line(url, (error) => fail(name, error));
  }

  /** @param {Request} asked */
  async ask(asked) {
    const ended = this.waits.begin();
    const [answer] = await this.line.ask([asked], complaint);
    ended();
    return readAnswer(/** @type {Uint8Array} */ (answer)).body;
  }
}

/** Asks at its own pace, whatever comes of it. */
class Ticking extends Client {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #everyMs;
  #next;

  /**
   * @param {string} name
   * @param {string} url
   * @param {Fail} fail
   * @param {number} everyMs
   * @param {() => Request} next
   */
  constructor(name, url, fail, everyMs, next) {
    super(name, url, fail);
    this.#everyMs = everyMs;
    this.#next = next;
  }

  start() {
    this.#timer = setInterval(() => this.tick(), this.#everyMs);
  }

  tick() {
    return this.ask(this.#next());
  }

  stop() {
    clearInterval(this.#timer);
  }
}

/**
 * Asks for the size of the table.
 *
 * @param {string} url
 * @param {Fail} fail
 */
export function newLight(url, fail) {
  let id = 0;
  return new Ticking(
    "light",
    url,
    fail,
    LIGHT_MS,
    () => tableSize(++id, TABLE),
  );
}

/**
 * Changes rows.
 *
 * @param {string} url
 * @param {Fail} fail
 * @param {readonly Request[]} updates
 */
export function newWriter(url, fail, updates) {
  let nth = 0;
  return new Ticking(
    "writer",
    url,
    fail,
    WRITER_MS,
    () => /** @type {Request} */ (updates[nth++ % updates.length]),
  );
}

/** Scrolls in a view, and has a second connection that is told of changes. */
export class Reader extends Client {
  #view;
  #config;
  #subscriber;
  #rows = 0;
  #isStopped = false;
  #id = FIRST_ID + 10;
  /** Which engine its view lives on. */
  place = -1;
  /** What it has been pushed. */
  pushes = 0;
  /** When that was last. */
  lastPush = 0;
  /** From one push to the next. */
  gaps = new Waits();

  /**
   * @param {string} url
   * @param {Fail} fail
   * @param {number} nth
   * @param {NamedColumns} config
   */
  constructor(url, fail, nth, config) {
    super(`reader ${nth}`, url, fail);
    this.#view = `recovery_reader_${nth}`;
    this.#config = config;
    this.#subscriber = new Line(
      url,
      (error) => fail(`subscriber ${nth}`, error),
    );
    let gapEnded = () => {};
    this.#subscriber.onPush = (frame) => {
      const wrong = withoutRows(readAnswer(frame).body);
      if (wrong) fail(`subscriber ${nth}`, new Error(`Wrong push: ${wrong}`));
      gapEnded();
      gapEnded = this.gaps.begin();
      this.pushes++;
      this.lastPush = now();
    };
  }

  async open() {
    await this.line.connect();
    await this.ask(makeView(FIRST_ID, TABLE, this.#view, this.#config));
    this.#rows = (await this.all()).__ROW_PATH__?.length ?? 0;
  }

  /** A view of the same config, which is the same to the engine. */
  async subscribe() {
    const view = `${this.#view}_told`;
    await this.#subscriber.connect();
    await this.#subscriber.ask([
      makeView(FIRST_ID, TABLE, view, this.#config),
    ], complaint);
    await this.#subscriber.ask([onUpdate(FIRST_ID + 1, view)], complaint);
  }

  /** Asks when it has been answered. */
  async start() {
    const most = this.#rows - WINDOW_ROWS;
    for (let start = 0; !this.#isStopped; start += SCROLL_ROWS) {
      await this.ask(this.#window(start % most));
      await new Promise((resolve) => setTimeout(resolve, READER_MS));
    }
  }

  stop() {
    this.#isStopped = true;
  }

  /** All that its view shows. */
  async all() {
    const asked = allColumnsString(this.#id++, this.#view, () => undefined);
    /** @type {Record<string, unknown[]>} */
    const columns = JSON.parse(stringField(await this.ask(asked), 1));
    return columns;
  }

  async close() {
    await this.ask(deleteView(this.#id++, this.#view));
    this.line.close();
  }

  /** @param {number} start */
  #window(start) {
    const { columns } = this.#config;
    return columnsString(
      this.#id++,
      this.#view,
      start,
      start + WINDOW_ROWS,
      (body) => {
        /** @type {Record<string, unknown[]>} */
        const seen = JSON.parse(stringField(body, 1));
        const odd = ["__ROW_PATH__", ...columns]
          .find((name) => seen[name]?.length !== WINDOW_ROWS);
        return odd && `${seen[odd]?.length} rows of "${odd}"`;
      },
    );
  }
}
