// @ts-check
/**
 * What a `<perspective-viewer>` 3.8.0 with a datagrid sends, frame by frame and
 * in its order, as it was recorded in a browser. What it sends without waiting
 * for an answer in between is a step.
 */
import { TABLE } from "./data.mjs";
import { checkWindow, FIRST_ID, ROUNDS, WINDOW_ROWS } from "./scene.mjs";
import {
  cornerString,
  deleteView,
  Kind,
  makeView,
  onUpdate,
  request,
  uint32Field,
} from "./wire.mjs";

/** @typedef {import("./types.ts").Part} Part */
/** @typedef {import("./types.ts").Request} Request */
/** @typedef {import("./types.ts").Step} Step */
/** @typedef {import("./types.ts").NamedColumns} NamedColumns */

/** From the `msg_id`s of the loading, or of a round, to those of the next. */
const IDS = 100;

/**
 * A viewer of a config.
 *
 * @param {string} view
 * @param {NamedColumns} config
 * @param {number} rows of the table
 * @param {boolean} closes whether it deletes its view at the end; one in a
 *   tab that is closed doesn't
 * @returns {Part}
 */
export function perspectiveViewer(view, config, rows, closes) {
  return {
    open: load(view, config, rows),
    repaints: Array.from(
      { length: ROUNDS },
      (_, nth) => repaint(view, config, rows, FIRST_ID + IDS * (nth + 1)),
    ),
    close: closes ? [deleteView(FIRST_ID + IDS - 1, view)] : [],
  };
}

/**
 * @param {string} view
 * @param {NamedColumns} config
 * @param {number} rows
 * @returns {Step[]}
 */
function load(view, config, rows) {
  let id = FIRST_ID;
  const ofServer = (/** @type {number} */ kind) => request(id++, "", kind);
  const ofTable = (/** @type {number} */ kind) => request(id++, TABLE, kind);
  const ofView = (/** @type {number} */ kind) => request(id++, view, kind);
  return [
    [ofServer(Kind.hostedTables)],
    [ofServer(Kind.features)],
    [ofTable(Kind.tableSchema)],
    [ofTable(Kind.tableSchema)],
    [ofTable(Kind.makePort)],
    // Of a later number in Perspective 5.6; there are none to be validated.
    [{ ...ofTable(Kind.validateExpression), optional: true }],
    [makeView(id++, TABLE, view, config)],
    [ofView(Kind.viewSchema)],
    [
      onUpdate(id++, view),
      dimensions(id++, view, rows),
      dimensions(id++, view, rows),
    ],
    [ofView(Kind.viewSchema)],
    [ofView(Kind.viewConfig)],
    [
      ofTable(Kind.tableSchema),
      dimensions(id++, view, rows),
      ofView(Kind.viewSchema),
      ofView(Kind.expressionSchema),
      ofView(Kind.columnPaths),
    ],
    [window(id++, view, config.columns)],
  ];
}

/**
 * @param {string} view
 * @param {NamedColumns} config
 * @param {number} rows
 * @param {number} id the first `msg_id`
 * @returns {Step[]}
 */
function repaint(view, config, rows, id) {
  return [
    [dimensions(id, view, rows), dimensions(id + 1, view, rows)],
    [request(id + 2, view, Kind.viewSchema)],
    [dimensions(id + 3, view, rows)],
    [window(id + 4, view, config.columns)],
  ];
}

/**
 * @param {number} id
 * @param {string} view
 * @param {number} rows of the table
 */
function dimensions(id, view, rows) {
  return request(id, view, Kind.dimensions, undefined, (body) => {
    const [table, shown] = [uint32Field(body, 1), uint32Field(body, 3)];
    return table === rows && shown >= WINDOW_ROWS
      ? undefined
      : `${shown} rows of a table of ${table}`;
  });
}

/**
 * @param {number} id
 * @param {string} view
 * @param {readonly string[]} columns
 */
function window(id, view, columns) {
  return cornerString(
    id,
    view,
    WINDOW_ROWS,
    columns.length + 1,
    (body) => checkWindow(body, columns),
  );
}
