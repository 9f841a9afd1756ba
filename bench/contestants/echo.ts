/**
 * Contestant: a bare socket of `Deno.serve`, the limit of what any server on
 * it can do. It sends back what it gets or, with `?answer=N`, N bytes.
 */
import { serve } from "./serve.ts";

serve((request) => {
  const answer = new URL(request.url).searchParams.get("answer");
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  if (answer === null) {
    socket.onmessage = (event) => socket.send(event.data);
  } else {
    const frame = new Uint8Array(Number(answer));
    socket.onmessage = () => socket.send(frame);
  }
  return response;
});
