// @ts-check
/** Processor time of a process, where the system tells it in a file. */
import { readFileSync } from "node:fs";

/** Ticks a second; Linux shows 100 to programs, whatever it uses itself. */
const TICKS = 100;

/**
 * What a process has used so far, in seconds, or `null` off Linux.
 *
 * @param {number} pid
 */
export function busySeconds(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces; user and system time are the
    // 12th and 13th value behind it.
    const values = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(values[11]) + Number(values[12])) / TICKS;
  } catch {
    return null;
  }
}
