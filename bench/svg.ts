/** Charts with logarithmic axes, as SVG. */

/** What is drawn in one colour. */
export interface Series {
  readonly title: string;
  readonly style: Style;
  readonly points: readonly Point[];
  /** Where there should be a point, and something failed. */
  readonly failed: readonly number[];
}

/** How it is drawn. */
export interface Style {
  /** Readable on white and on black. */
  readonly colour: string;
  readonly dashed: boolean;
}

/** A figure; both numbers are positive. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A pair of axes. */
export interface Panel {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
}

/** A picture of panels side by side, with one legend. */
export interface Picture {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const PANEL = { width: 400, height: 330 };

/** How wide a panel is that stands alone. */
const ALONE = 640;

const MARGIN = { left: 64, right: 16, top: 12, bottom: 46 };

/** What stands above a panel in which somebody failed. */
const FAILURES_HEIGHT = 46;

const TITLE_HEIGHT = 34;
const LEGEND = { column: 300, line: 20, top: 14 };
const FAILURE_LINE = 12;

/** The viewer's colours: text and lines are those of the page around it. */
const STYLE = `
    svg { color: #1f2328; background: #ffffff; font: 12px system-ui, sans-serif; }
    text { fill: currentColor; }
    .title { font-size: 15px; font-weight: 600; }
    .grid { stroke: currentColor; stroke-opacity: 0.13; }
    .axis { stroke: currentColor; stroke-opacity: 0.6; fill: none; }
    .faint { fill-opacity: 0.7; }
    .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
    .dashed { stroke-dasharray: 5 4; }
    @media (prefers-color-scheme: dark) {
      svg { color: #e6edf3; background: #0d1117; }
    }
  `;

/** Draws it. */
export function draw({ title, panels }: Picture): string {
  const legend = legendOf(panels);
  const panelWidth = panels.length > 1 ? PANEL.width : ALONE;
  const width = Math.max(panels.length, 1) * panelWidth;
  const columns = Math.max(1, Math.floor(width / LEGEND.column));
  const lines = Math.ceil(legend.length / columns);
  const legendTop = TITLE_HEIGHT + PANEL.height + LEGEND.top;
  const height = legendTop + lines * LEGEND.line + LEGEND.top;
  // Downwards, so that what belongs together stays together.
  const keys = legend.map((series, index) => {
    const x = MARGIN.left + Math.floor(index / lines) * LEGEND.column;
    const y = legendTop + index % lines * LEGEND.line;
    return key(series, x, y);
  });
  const top = MARGIN.top + (hasFailures(panels) ? FAILURES_HEIGHT : 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"` +
    ` width="${width}" height="${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}</style>`,
    text(MARGIN.left, 24, title, `class="title"`),
    ...panels.map((panel, index) =>
      `<g transform="translate(${index * panelWidth} ${TITLE_HEIGHT})">\n` +
      `${drawPanel(panel, panelWidth, top)}\n</g>`
    ),
    ...keys,
    "</svg>",
    "",
  ].join("\n");
}

/** Marks on a logarithmic axis: 1, 2, 5, 10, ..., or only the powers of ten. */
export function ticks(low: number, high: number): number[] {
  const steps = Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5];
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const powers = Array.from({ length: last - first + 1 }, (_, n) => first + n);
  return powers
    .flatMap((power) => steps.map((step) => Number(`${step}e${power}`)))
    .filter((tick) => tick >= low && tick <= high);
}

/** @param top where its axes end */
function drawPanel(
  { xLabel, yLabel, series }: Panel,
  width: number,
  top: number,
): string {
  const points = series.flatMap(({ points }) => points);
  const xs = distinct([
    ...points.map(({ x }) => x),
    ...series.flatMap(({ failed }) => failed),
  ]);
  const { left, right, bottom } = {
    left: MARGIN.left,
    right: width - MARGIN.right,
    bottom: PANEL.height - MARGIN.bottom,
  };
  const x = scale(rangeOf(xs, 1.3), left, right);
  const yRange = rangeOf(points.map(({ y }) => y), 1.5);
  const y = scale(yRange, bottom, top);
  const failures = series.flatMap(({ failed, style }) =>
    failed.map((at) => ({ at, style }))
  );
  return [
    ...xs.flatMap((at) => [
      line(x(at), top, x(at), bottom, "grid"),
      text(x(at), bottom + 17, number(at), `text-anchor="middle"`),
    ]),
    ...ticks(...yRange).flatMap((at) => [
      line(left, y(at), right, y(at), "grid"),
      text(left - 7, y(at) + 4, number(at), `text-anchor="end"`),
    ]),
    `<path class="axis" d="M${left} ${top}V${bottom}H${right}"/>`,
    text(
      (left + right) / 2,
      PANEL.height - 8,
      xLabel,
      `class="faint" text-anchor="middle"`,
    ),
    text(
      -(top + bottom) / 2,
      16,
      yLabel,
      `class="faint" text-anchor="middle" transform="rotate(-90)"`,
    ),
    ...series.flatMap(({ points, style, title }) => [
      path(points.map((point) => [x(point.x), y(point.y)]), style),
      ...points.map((point) =>
        `<circle cx="${round(x(point.x))}" cy="${round(y(point.y))}" r="3.5" ` +
        `fill="${style.colour}"><title>${escape(title)}: ` +
        `${number(point.y)} at ${number(point.x)}</title></circle>`
      ),
    ]),
    ...failures.map(({ at, style }, index) => {
      const before = failures.slice(0, index)
        .filter((other) => other.at === at).length;
      return cross(x(at), 12 + before * FAILURE_LINE % 48, style);
    }),
    ...failures.length > 0
      ? [text(left - 7, 16, "failed", `class="faint" text-anchor="end"`)]
      : [],
  ].join("\n");
}

function hasFailures(panels: readonly Panel[]): boolean {
  return panels.some(({ series }) =>
    series.some(({ failed }) => failed.length > 0)
  );
}

/** Every series once, by its title. */
function legendOf(panels: readonly Panel[]): Series[] {
  const all = panels.flatMap(({ series }) => series);
  return [...new Map(all.map((series) => [series.title, series])).values()];
}

function key({ title, style }: Series, x: number, y: number): string {
  return [
    path([[x, y], [x + 24, y]], style),
    `<circle cx="${x + 12}" cy="${y}" r="3.5" fill="${style.colour}"/>`,
    text(x + 32, y + 4, title),
  ].join("\n");
}

function path(
  points: readonly (readonly [number, number])[],
  { colour, dashed }: Style,
): string {
  const d = points.map(([x, y], index) =>
    `${index === 0 ? "M" : "L"}${round(x)} ${round(y)}`
  ).join("");
  const name = dashed ? "line dashed" : "line";
  return `<path class="${name}" stroke="${colour}" d="${d}"/>`;
}

/** What stands where somebody failed. */
function cross(x: number, y: number, { colour }: Style): string {
  const [left, right, top, bottom] = [x - 4, x + 4, y - 4, y + 4].map(round);
  return `<path class="failed" stroke="${colour}" stroke-width="2" ` +
    `d="M${left} ${top}L${right} ${bottom}M${left} ${bottom}L${right} ${top}"/>`;
}

function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  name: string,
): string {
  return `<path class="${name}" ` +
    `d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}"/>`;
}

function text(x: number, y: number, value: string, more = ""): string {
  return `<text x="${round(x)}" y="${round(y)}"${more && ` ${more}`}>` +
    `${escape(value)}</text>`;
}

/** Where on a logarithmic axis a value is. */
function scale(
  [low, high]: readonly [number, number],
  from: number,
  to: number,
): (value: number) => number {
  const share = (value: number) => Math.log(value / low) / Math.log(high / low);
  return (value) => from + share(value) * (to - from);
}

/** From the least to the most, and a little more on both sides. */
function rangeOf(values: readonly number[], more: number): [number, number] {
  if (values.length === 0) return [1, 10];
  return [Math.min(...values) / more, Math.max(...values) * more];
}

function distinct(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

function number(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
