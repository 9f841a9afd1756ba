/**
 * What came of a run, for a reader. For tests only.
 *
 * @module
 */

import { kindName } from "../../protocol/kinds.ts";
import type { ServerStats } from "../../server/server.ts";
import type { Death, FuzzReport } from "./fuzz.ts";
import type { HostileFrame } from "./hostile_frames.ts";

function frameInWords(
  { number, kind, source, mutation, bytes }: HostileFrame,
): string {
  return `frame ${number}: ${kindName(kind)}, ${source}, mutation: ` +
    `${mutation}, ${bytes.length} bytes`;
}

/** How the engines are. */
export function stateInWords(
  { replicas, pending, sessions, recovery }: ServerStats,
  number: number,
): string {
  const engines = replicas.map(({ state, outstanding, behind, views }) =>
    `${state} (${views} views, ${outstanding} to do, ${behind} behind)`
  );
  return `frame ${number}: ${engines.join(", ")}; ${pending} pending, ` +
    `${sessions} sessions, ${recovery.lost} lost, ${recovery.replaced} replaced`;
}

/** A death in a few lines. */
export function deathInWords({ nth, message, open, last }: Death): string {
  const guilty = open.length > 0 ? open : last.slice(-1);
  return [
    `death ${nth}: ${message.split("\n", 1)[0]!.slice(0, 300)}`,
    ...guilty.flatMap((it) => [
      `  ${open.length > 0 ? "open" : "before"}: ${frameInWords(it)}`,
      `    ${
        it.bytes.length <= 200
          ? it.bytes.toHex()
          : `${it.bytes.subarray(0, 100).toHex()}…`
      }`,
    ]),
  ].join("\n");
}

/** The last frames as `--hex` takes them, those that weren't answered at the end. */
export function dumped({ message, open, last }: Death): string {
  const before = last.filter((it) => !open.includes(it));
  const lines = (it: HostileFrame) =>
    `# ${frameInWords(it)}\n${it.bytes.toHex()}\n`;
  return [
    `# ${message.replaceAll("\n", " ")}\n`,
    "# What came before; the first lines may be left out.\n",
    ...before.map(lines),
    "# What wasn't answered when the engine was lost.\n",
    ...open.map(lines),
  ].join("");
}

/** All that a run tells. */
export function inWords(report: FuzzReport): string {
  const list = (counts: ReadonlyMap<string, number>) =>
    [...counts].sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `  ${String(count).padStart(6)}  ${name}`);
  const { recovery, honest } = report;
  return [
    `sent: ${report.sent} hostile frames, the next would be ${report.next}`,
    ...list(report.kinds),
    "by mutation:",
    ...list(report.mutations),
    ...report.unanswered.length === 0 ? [] : ["never answered:"],
    ...report.unanswered.map((it) => `  ${frameInWords(it)}`),
    `hostile sessions: ${report.hostileSessions}, of which ${report.ended} ` +
    `ended by strikes`,
    `engines: ${recovery.lost} lost, ${recovery.replaced} replaced, ` +
    `${recovery.poisonous} requests refused for it, ` +
    `${recovery.removedViews} views removed, ${recovery.abandoned} not stopped`,
    "deaths, by what the engine was at:",
    ...list(report.causes),
    "deaths, by what wasn't answered:",
    ...list(report.killers),
    ...report.errors.size === 0 ? [] : ["other reports:"],
    ...list(report.errors),
    `honest clients: ${honest.answers} answers and ${honest.pushes} pushes ` +
    `in ${honest.sessions} sessions`,
    `all engines lost: ${report.lost} times, and ${report.lostAtPolls} times ` +
    `at polls after an answered change, with ${honest.lost} answers`,
    `failures: ${report.failures.length}`,
  ].join("\n");
}
