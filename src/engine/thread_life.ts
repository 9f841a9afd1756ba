/**
 * Finding out that a worker's thread has ended.
 *
 * Deno tells nobody when a worker is terminated or ends by itself. But a lock
 * (Web Locks, which Deno has since 2.9) that a thread holds is given to the
 * next who asks for it when that thread has really ended, which may be long
 * after `terminate()`.
 *
 * @module
 */

/** What is used of Web Locks, which Deno's types lack. */
interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal },
    callback: () => unknown,
  ): Promise<unknown>;
}

function locks(): Locks | undefined {
  return (navigator as { locks?: Locks }).locks;
}

/**
 * Holds a lock as long as this thread lives. Resolves with its name when it is
 * held.
 */
export function holdForLife(): Promise<string> {
  const name = `perspective ${crypto.randomUUID()}`;
  return new Promise((resolve) => {
    if (locks() === undefined) return resolve(name);
    locks()!.request(name, {}, () => {
      resolve(name);
      return new Promise(() => {});
    });
  });
}

/**
 * Calls `tell` when the thread that holds `name` has ended. If `signal` is
 * aborted before, or there are no locks, it is never called.
 */
export function onThreadEnd(
  name: string,
  signal: AbortSignal,
  tell: () => void,
): void {
  locks()?.request(name, { signal }, tell).catch(() => {});
}
