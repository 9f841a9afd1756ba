/** One message for each frame. */
import type { WayKind } from "../way.ts";

export const each: WayKind = {
  name: "each",
  start(worker, _rings, take) {
    worker.onmessage = ({ data }: MessageEvent<Uint8Array>) => take(data);
    return {
      send(frame) {
        // The frame isn't ours to transfer.
        const bytes = frame.slice();
        worker.postMessage(bytes, [bytes.buffer]);
      },
      close() {},
    };
  },
  host(scope, _rings, answer) {
    scope.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
      const bytes = answer(data).slice();
      scope.postMessage(bytes, [bytes.buffer]);
    };
  },
};
