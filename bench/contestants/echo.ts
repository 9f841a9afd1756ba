/**
 * Contestant: a bare socket of `Deno.serve`, the limit of what any server on
 * it can do. It sends back what it gets or, with `?answer=N`, N bytes. With
 * `?each` the end of each frame says how much: the length of the answer, the
 * length of what all other such connections are sent, and how that begins (see
 * `load/terms.mjs`).
 */
import { HEAD_BYTES } from "../load/terms.mjs";
import { serve } from "./serve.ts";

/** The connections that say what they want. */
const each = new Set<WebSocket>();

serve((request) => {
  const { searchParams } = new URL(request.url);
  const answer = searchParams.get("answer");
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  if (searchParams.has("each")) {
    each.add(socket);
    socket.onclose = () => each.delete(socket);
    socket.onmessage = (event) => serveEach(socket, new Uint8Array(event.data));
  } else if (answer === null) {
    socket.onmessage = (event) => socket.send(event.data);
  } else {
    const frame = new Uint8Array(Number(answer));
    socket.onmessage = () => socket.send(frame);
  }
  return response;
});

/** Answers a frame with what its end asks for. */
function serveEach(socket: WebSocket, frame: Uint8Array<ArrayBuffer>): void {
  const tail = frame.length - HEAD_BYTES - 8;
  const view = new DataView(frame.buffer, frame.byteOffset);
  const answerBytes = view.getUint32(tail);
  const pushBytes = view.getUint32(tail + 4);
  if (answerBytes > 0) socket.send(frameOf(answerBytes, frame));
  if (pushBytes === 0) return;
  const head = frame.subarray(tail + 8);
  for (const other of each) {
    if (other !== socket) other.send(frameOf(pushBytes, head));
  }
}

/** A frame of that length with the same `msg_id`. */
function frameOf(bytes: number, like: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(bytes);
  frame.set(like.subarray(0, HEAD_BYTES));
  return frame;
}
