/** Starts a worker with a way to it. */
import type { AnyWayKind, Setup, TakeAnswer, Way } from "./way.ts";
import { newRings } from "./ways/ring_ends.ts";

/** Resolves when the worker, or the process, takes requests. */
export function start(
  kind: AnyWayKind,
  spin: number,
  take: TakeAnswer,
): Promise<Way> {
  if ("spawn" in kind) return kind.spawn(spin, take);
  const { promise, resolve, reject } = Promise.withResolvers<Way>();
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    type: "module",
  });
  const rings = newRings();
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  worker.onmessage = ({ data }) => {
    if (data === "ready") {
      worker.postMessage({ way: kind.name, spin, rings } satisfies Setup);
      return;
    }
    const way = kind.start(worker, rings, take);
    resolve({
      send: (frame) => way.send(frame),
      close() {
        way.close();
        worker.terminate();
      },
    });
  };
  return promise;
}
