// @ts-check
/** All rows. A new one is a file in `rows/` and a line here. */
import { row as arrow } from "./rows/arrow.mjs";
import { rows as dashboards } from "./rows/dashboard.mjs";
import { row as heavy } from "./rows/heavy.mjs";
import { row as heavySame } from "./rows/heavy_same.mjs";
import { row as millionScroll } from "./rows/million_scroll.mjs";
import { row as scrollBesideHeavy } from "./rows/scroll_beside_heavy.mjs";
import { row as sizeBesideHeavy } from "./rows/size_beside_heavy.mjs";
import { row as tableSize } from "./rows/table_size.mjs";
import { rows as tabs } from "./rows/tabs.mjs";
import { row as updates } from "./rows/updates.mjs";
import { row as updatesViewer } from "./rows/updates_viewer.mjs";
import { rows as viewers } from "./rows/viewer.mjs";
import { row as window } from "./rows/window.mjs";

/** @typedef {import("./types.ts").Row} Row */
/** @typedef {import("./types.ts").SceneRow} SceneRow */

/** @type {readonly (Row | SceneRow)[]} */
export const rows = [
  tableSize,
  window,
  heavy,
  heavySame,
  arrow,
  sizeBesideHeavy,
  scrollBesideHeavy,
  millionScroll,
  updates,
  updatesViewer,
  ...dashboards,
  ...viewers,
  ...tabs,
];

/**
 * Finds a row.
 *
 * @param {string} name
 */
export function rowNamed(name) {
  const row = rows.find((row) => row.name === name);
  if (!row) throw new TypeError(`Cannot find a row called "${name}"`);
  return row;
}
