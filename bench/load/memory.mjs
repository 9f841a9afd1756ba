// @ts-check
/** What processes hold of the memory, where the system tells it in files. */
import { readdirSync, readFileSync } from "node:fs";

/** @typedef {import("./types.ts").Memory} Memory */

/** A machine with less than this share of its memory left is about to fail. */
const LEAST_SHARE = 0.1;

const GIB = 2 ** 30;

/**
 * What a process and its children hold, or `null` off Linux. The peak is the
 * sum of each one's, which they may have reached at different times.
 *
 * @param {number | undefined} pid
 * @returns {Memory | null}
 */
export function memoryOf(pid) {
  if (pid === undefined) return null;
  try {
    const statuses = family(pid, allStatuses());
    return {
      now: sum(statuses.map((status) => bytes(status, "VmRSS"))),
      peak: sum(statuses.map((status) => bytes(status, "VmHWM"))),
    };
  } catch {
    return null;
  }
}

/** Says so if the machine is about to run out of memory. */
export function shortage() {
  try {
    const text = readFileSync("/proc/meminfo", "utf8");
    const left = bytes(text, "MemAvailable");
    const total = bytes(text, "MemTotal");
    if (left >= total * LEAST_SHARE) return undefined;
    return `${gib(left)} of ${gib(total)} GiB are left on the machine`;
  } catch {
    return undefined;
  }
}

/**
 * Those of a process and of all that it has started.
 *
 * @param {number} pid
 * @param {ReadonlyMap<number, string>} statuses
 * @returns {string[]}
 */
export function family(pid, statuses) {
  const own = statuses.get(pid);
  const children = [...statuses]
    .filter(([, status]) => number(status, "PPid") === pid)
    .flatMap(([child]) => family(child, statuses));
  return own === undefined ? children : [own, ...children];
}

function allStatuses() {
  /** @type {Map<number, string>} */
  const statuses = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      statuses.set(Number(name), readFileSync(`/proc/${name}/status`, "utf8"));
    } catch {
      // It has ended meanwhile.
    }
  }
  return statuses;
}

/**
 * @param {string} text
 * @param {string} name
 */
function number(text, name) {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
}

/**
 * @param {string} text
 * @param {string} name
 */
function bytes(text, name) {
  return number(text, name) * 1024;
}

/** @param {readonly number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/** @param {number} value */
function gib(value) {
  return (value / GIB).toFixed(1);
}
