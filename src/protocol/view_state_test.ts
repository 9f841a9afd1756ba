import { assert, assertEquals } from "@std/assert";
import {
  BareEngine,
  type Config,
  configBytes,
} from "../testing/bare_engine.ts";
import { message, text, uint } from "../testing/frames.ts";
import { forAll } from "../testing/random.ts";
import { utf8 } from "./frame.ts";
import { Kind, type Line } from "./kinds.ts";
import {
  changedRows,
  isExpanded,
  pathsRequest,
  rowOf,
  rowPaths,
  stateRequest,
  type StateStep,
  ViewState,
} from "./view_state.ts";

const LINES: readonly Line[] = ["3", "5"];
const { VIEW_EXPAND, VIEW_COLLAPSE, VIEW_SET_DEPTH } = Kind;

function pathsOf(engine: BareEngine, start = 0, end = 1_000_000): string[] {
  const request = pathsRequest(1, utf8("v"), start, end);
  return rowPaths(engine.send(request, Kind.VIEW_TO_COLUMNS_STRING));
}

function execute(engine: BareEngine, step: StateStep): number {
  return changedRows(
    engine.send(stateRequest(1, utf8("v"), step), step.kind),
  );
}

/** Executes `step` and has `state` remember it. */
function change(engine: BareEngine, state: ViewState, step: StateStep): void {
  if (step.kind === VIEW_SET_DEPTH) {
    execute(engine, step);
    return state.setDepth(step.value);
  }
  const ranges = state.ranges(step.value);
  const paths = ranges.map(({ start, end }) => pathsOf(engine, start, end));
  state.did(step, execute(engine, step), ranges, paths);
}

/** Gives a new view `state`, and returns how often its paths were read. */
function restore(engine: BareEngine, state: ViewState): number {
  for (const step of state.firstSteps()) execute(engine, step);
  for (let reads = 1;; reads++) {
    const steps = state.steps(pathsOf(engine), reads === 1);
    if (steps.length === 0) return reads;
    assert(reads < 10, "there is no end to it");
    for (const step of steps) execute(engine, step);
  }
}

for (const line of LINES) {
  Deno.test(`rowPaths() reads what an engine of line ${line} writes`, async () => {
    const engine = await BareEngine.start(line);
    engine.makeTable("t", [
      { s: 'a","b', n: 1.5, i: 1, d: "2024-01-02" },
      { s: "]", n: null, i: 2, d: "2024-01-02" },
      { s: "[x\\", n: 1e300, i: -3, d: "2024-01-02" },
      { s: null, n: -0.5, i: 4, d: "2024-01-02" },
      { s: "\n", n: 2, i: 5, d: null },
      { s: "é€😀", n: 2, i: 6, d: "1969-12-31" },
    ]);
    engine.makeView("t", "v", { groupBy: ["s", "n"], columns: ["i"] });
    const paths = pathsOf(engine);
    assertEquals(
      paths.map((it) => JSON.parse(it)),
      engine.columns("v").__ROW_PATH__,
    );
    assertEquals(paths.length, 13);
    assert(paths.includes('["]",null]'));
    assertEquals(pathsOf(engine, 3, 5), paths.slice(3, 5));
    assertEquals(pathsOf(engine, 13, 20), []);
    // Dates are milliseconds.
    engine.makeView("t", "dates", { groupBy: ["d"], columns: [] });
    const dates = pathsRequest(1, utf8("dates"), 0, 9);
    assertEquals(rowPaths(engine.send(dates, Kind.VIEW_TO_COLUMNS_STRING)), [
      "[]",
      "[null]",
      "[-86400000]",
      "[1704153600000]",
    ]);
    engine.makeView("t", "flat");
    const flat = pathsRequest(1, utf8("flat"), 0, 9);
    assertEquals(rowPaths(engine.send(flat, Kind.VIEW_TO_COLUMNS_STRING)), []);
    engine.close();
  });

  Deno.test(`ViewState: a new view gets the state of an old one, line ${line}`, async () => {
    await forAll(25, async (random) => {
      const old = await BareEngine.start(line);
      const fresh = await BareEngine.start(line);
      let key = 0;
      const rows = (count: number) =>
        Array.from({ length: count }, () => ({
          k: key++,
          a: `a"${random.below(4)},`,
          b: random.below(4),
          c: random.pick(["2024-01-01", "2024-02-01"]),
          s: random.chance(0.5),
          n: random.below(10),
        }));
      const update = () => {
        const added = rows(random.between(1, 4));
        for (const engine of [old, fresh]) engine.change("t", added);
      };
      const first = rows(random.between(1, 20));
      const config: Config = {
        groupBy: random.some(["a", "b", "c"], random.between(1, 3)),
        columns: ["n"],
        ...random.chance(0.4) && { splitBy: ["s"] },
        ...random.chance(0.3) && { depth: random.below(4) },
        ...random.chance(0.2) && { sort: ["n", 1] as const },
      };
      for (const engine of [old, fresh]) engine.makeTable("t", first);
      old.makeView("t", "v", config);
      const state = new ViewState(configBytes(config));
      for (let i = random.below(25); i > 0; i--) {
        if (random.chance(0.4)) update();
        else if (random.chance(0.15)) {
          // Some are too deep.
          const value = random.below(5);
          change(old, state, { kind: VIEW_SET_DEPTH, value });
        } else {
          // Some aren't there.
          const value = random.below(pathsOf(old).length + 2);
          const kind = random.pick([VIEW_EXPAND, VIEW_COLLAPSE]);
          change(old, state, { kind, value });
        }
      }
      assert(state.isComplete);
      fresh.makeView("t", "v", config);
      if (!state.isInitial) {
        assert(restore(fresh, state) <= config.groupBy!.length + 2);
      }
      // An old view doesn't sort all that a new one sorts.
      const visible = (engine: BareEngine) =>
        config.sort === undefined ? pathsOf(engine) : pathsOf(engine).sort();
      assertEquals(visible(fresh), visible(old));
      for (let i = 0; i < 5; i++) update();
      assertEquals(visible(fresh), visible(old));
      old.close();
      fresh.close();
    });
  });

  Deno.test(`ViewState: a split view passes over leaves and rows that aren't there, line ${line}`, async () => {
    for (const splitBy of [[], ["s"]]) {
      for (const value of [2, 9]) {
        const engine = await BareEngine.start(line);
        const config = { groupBy: ["a", "b"], splitBy, columns: ["n"] };
        engine.makeTable("t", [{ a: "x", b: "p", s: "q", n: 1 }]);
        engine.makeView("t", "v", config);
        const state = new ViewState(configBytes(config));
        change(engine, state, { kind: VIEW_EXPAND, value });
        assertEquals(state.isInitial, splitBy.length > 0);
        engine.change("t", [{ a: "y", b: "p", s: "q", n: 1 }]);
        assertEquals(pathsOf(engine).length, state.isInitial ? 5 : 4);
        engine.close();
      }
    }
  });

  Deno.test(`ViewState: a group that goes and comes again isn't known to be another, line ${line}`, async () => {
    const engine = await BareEngine.start(line);
    const config = { groupBy: ["a", "b"], columns: ["k"] };
    engine.makeTable(
      "t",
      [{ k: 1, a: "x", b: "p" }, { k: 2, a: "y", b: "p" }],
      text(1, "k"),
    );
    engine.makeView("t", "v", config);
    const state = new ViewState(configBytes(config));
    change(engine, state, { kind: VIEW_COLLAPSE, value: 3 });
    assertEquals(pathsOf(engine), ["[]", '["x"]', '["x","p"]', '["y"]']);
    engine.change("t", [1], Kind.TABLE_REMOVE);
    engine.change("t", [{ k: 3, a: "x", b: "p" }]);
    const now = pathsOf(engine);
    assertEquals(now, ["[]", '["x"]', '["y"]'], "it comes collapsed");
    assertEquals(state.steps(now), [{ kind: VIEW_EXPAND, value: 1 }]);
    engine.close();
  });
}

const CONFIG = configBytes({ groupBy: ["a", "b"] });
const PATHS = ["[]", '["x"]', '["x",1]', '["x",2]', '["y"]', '["y",1]'];
const ALL = [{ start: 0, end: 10_001 }];

Deno.test("ViewState remembers the depth, and nothing from before it", () => {
  const state = new ViewState(CONFIG);
  assert(state.isInitial);
  state.did({ kind: VIEW_COLLAPSE, value: 1 }, 2, ALL, [PATHS]);
  assert(!state.isInitial);
  assertEquals(state.firstSteps(), []);
  assertEquals(state.steps(PATHS), [{ kind: VIEW_COLLAPSE, value: 1 }]);
  state.setDepth(0);
  assertEquals(state.firstSteps(), [{ kind: VIEW_SET_DEPTH, value: 0 }]);
  assertEquals(state.steps(PATHS, true), []);
  // Deeper than the groups: an engine does nothing.
  state.setDepth(3);
  assertEquals(state.firstSteps(), [{ kind: VIEW_SET_DEPTH, value: 0 }]);
  state.setDepth(2);
  assertEquals(state.firstSteps(), [{ kind: VIEW_SET_DEPTH, value: 2 }]);
});

Deno.test("ViewState.steps() go from the last row up, and are something at first", () => {
  const state = new ViewState(CONFIG);
  state.did({ kind: VIEW_COLLAPSE, value: 4 }, 1, ALL, [PATHS]);
  state.did({ kind: VIEW_COLLAPSE, value: 1 }, 2, ALL, [PATHS]);
  assertEquals(state.steps(PATHS), [
    { kind: VIEW_COLLAPSE, value: 4 },
    { kind: VIEW_COLLAPSE, value: 1 },
  ]);
  const rest = ["[]", '["x"]', '["y"]'];
  assertEquals(state.steps(rest), []);
  assertEquals(state.steps(rest, true), [{ kind: VIEW_EXPAND, value: 0 }]);
  assertEquals(state.steps(["[]"], true), [{ kind: VIEW_EXPAND, value: 0 }]);
  state.did({ kind: VIEW_COLLAPSE, value: 0 }, 2, [{ start: 0, end: 1 }], [[
    "[]",
  ]]);
  assertEquals(state.steps(["[]"], true), [{ kind: VIEW_COLLAPSE, value: 0 }]);
  assertEquals(state.steps([], true), []);
});

Deno.test("ViewState remembers no more than its limit", () => {
  const state = new ViewState(CONFIG, 4);
  assertEquals(state.ranges(2), [{ start: 0, end: 5 }]);
  const far = state.ranges(5);
  assertEquals(far, [{ start: 0, end: 5 }, { start: 5, end: 6 }]);
  const more = [...PATHS, '["z"]', '["z",1]'];
  state.did({ kind: VIEW_COLLAPSE, value: 6 }, 1, state.ranges(6), [
    more.slice(0, 5),
    [more[6]!],
  ]);
  assert(!state.isComplete);
  assertEquals(state.ranges(5), [{ start: 5, end: 6 }]);
  // What was done is known, and the rest is left as it is.
  assertEquals(state.steps(more), [{ kind: VIEW_COLLAPSE, value: 6 }]);
  for (let i = 0; i < 9; i++) {
    const step = { kind: VIEW_COLLAPSE, value: i };
    state.did(step, 1, state.ranges(i), [[`["${i}"]`]]);
  }
  const groups = Array.from({ length: 9 }, (_, i) => [`["${i}"]`, `["${i}",1]`])
    .flat();
  assertEquals(state.steps(groups).length, 3);
  state.setDepth(1);
  assert(state.isComplete);
});

Deno.test("ViewState isn't complete when a depth comes between reading and changing", () => {
  const state = new ViewState(CONFIG);
  state.did({ kind: VIEW_COLLAPSE, value: 1 }, 2, ALL, [PATHS]);
  const ranges = state.ranges(0);
  state.setDepth(1);
  state.did({ kind: VIEW_COLLAPSE, value: 0 }, 5, ranges, [["[]"]]);
  assert(!state.isComplete);
  assertEquals(state.steps(PATHS).at(-1), { kind: VIEW_COLLAPSE, value: 0 });
});

Deno.test("ViewState has nothing to do with views without groups", () => {
  const state = new ViewState(configBytes({ splitBy: ["a"] }));
  assertEquals(state.ranges(3), []);
  state.did({ kind: VIEW_EXPAND, value: 3 }, 0, [], []);
  state.setDepth(1);
  assert(state.isInitial);
});

Deno.test("isExpanded() and rowOf() look at visible rows", () => {
  assertEquals(PATHS.map((_, row) => isExpanded(PATHS, row)), [
    true,
    true,
    false,
    false,
    true,
    false,
  ]);
  // Text that begins alike is no group within.
  assertEquals(isExpanded(["[1]", "[1.5]"], 0), false);
  assertEquals(isExpanded(['["a"]', '["a\\",1"]'], 0), false);
  assertEquals(isExpanded(["[]", "[]"], 0), false);
  assertEquals(rowOf(PATHS, '["y"]'), 4);
  assertEquals(rowOf(PATHS, '["z"]'), -1);
});

Deno.test("changedRows() reads the answer", () => {
  assertEquals(changedRows(message(uint(1, 300))), 300);
  assertEquals(changedRows(new Uint8Array(0)), 0);
});
