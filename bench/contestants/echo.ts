/**
 * Contestant: a bare socket of `Deno.serve`, the limit of what any server on
 * it can do. It sends back what it gets or, with `?answer=N`, N bytes. With
 * `?each` it sends frames that it was taught before, with `?teach`, and the end
 * of each request says which: the index of the answer, the index of what all
 * other such connections are sent, and how that begins (see `load/terms.mjs`).
 */
import { HEAD_BYTES, NO_FRAME, TAIL_BYTES } from "../load/terms.mjs";
import { serve } from "./serve.ts";

/** What it was taught last. */
let taught: Uint8Array<ArrayBuffer>[] = [];

/** The connections that say what they want. */
const each = new Set<WebSocket>();

serve((request) => {
  const { searchParams } = new URL(request.url);
  const answer = searchParams.get("answer");
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  if (searchParams.has("teach")) {
    taught = [];
    socket.onmessage = ({ data }) => {
      taught.push(new Uint8Array(data));
      socket.send(data);
    };
  } else if (searchParams.has("each")) {
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
  const tail = frame.length - TAIL_BYTES;
  const view = new DataView(frame.buffer, frame.byteOffset);
  const answer = view.getUint32(tail);
  const push = view.getUint32(tail + 4);
  if (answer !== NO_FRAME) socket.send(frameOf(answer, frame));
  if (push === NO_FRAME) return;
  const head = frame.subarray(tail + 8);
  for (const other of each) {
    if (other !== socket) other.send(frameOf(push, head));
  }
}

/** A copy of a frame that it was taught, with the `msg_id` of another. */
function frameOf(index: number, like: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = taught[index]!.slice();
  frame.set(like.subarray(0, HEAD_BYTES));
  return frame;
}
