// @ts-check
/** The same with all that a `<perspective-viewer>` sends. */
import { TABLE_ROWS } from "../data.mjs";
import { IN_ROUNDS } from "../defaults.mjs";
import { perspectiveViewer } from "../perspective_viewer.mjs";
import { VIEWERS, viewers, withoutRows } from "../scene.mjs";
import { close, DASHBOARD, UPDATE_ROWS, updates } from "../superstore.mjs";

/** @type {import("../types.ts").SceneRow[]} */
export const rows = VIEWERS.map((count) => ({
  ...IN_ROUNDS,
  name: `viewer_${count}`,
  about: `The same grouped view for ${count}, each a <perspective-viewer>: ` +
    `1 connection updates ${UPDATE_ROWS} rows, then each viewer gets a push ` +
    "and sends its 5 requests; that is a round",
  connections: count + 1,
  scene: (run) => ({
    viewers: viewers(
      count,
      run,
      (view) => perspectiveViewer(view, DASHBOARD, TABLE_ROWS, true),
    ),
    oneByOne: false,
    updates: updates(run),
    close: close(),
    leastRounds: 1,
    checkPush: withoutRows,
  }),
}));
