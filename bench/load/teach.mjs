// @ts-check
/** Tells the echo server what to send. */
import { Buffer } from "node:buffer";
// @ts-ignore: npm installs it beside this file for Node; Deno doesn't load it
import WebSocket from "ws";

/**
 * Sends it the frames, in a message each. It sends each of them back, and from
 * then on to whoever asks for the frame of that index.
 *
 * @param {string} url
 * @param {readonly Uint8Array[]} frames
 * @returns {Promise<void>}
 */
export function teach(url, frames) {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    const fail = (/** @type {string} */ why) =>
      reject(new Error(`Cannot teach the echo: ${why}`));
    let known = 0;
    socket.on("error", (/** @type {Error} */ { message }) => fail(message));
    // Without effect if it is taught by then.
    socket.on("close", (/** @type {number} */ code) => fail(`closed: ${code}`));
    socket.on("open", () => {
      for (const frame of frames) socket.send(frame);
    });
    socket.on("message", (/** @type {Uint8Array} */ said) => {
      const frame = /** @type {Uint8Array} */ (frames[known]);
      if (Buffer.compare(said, frame) !== 0) fail(`frame ${known} differs`);
      if (++known < frames.length) return;
      resolve();
      socket.close();
    });
  });
}
