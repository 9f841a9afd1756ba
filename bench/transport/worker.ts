/** The worker: the other end of whichever way the first message names. */
import { wayNamed } from "./ways.ts";
import { answerAfter } from "./work.ts";
import type { Scope, Setup } from "./way.ts";

const scope = globalThis as unknown as Scope;

scope.onmessage = ({ data }: MessageEvent<Setup>) => {
  const { way, spin, rings } = data;
  // First, since a way that blocks doesn't return.
  scope.postMessage("hosting");
  wayNamed(way).host(scope, rings, answerAfter(spin));
};
scope.postMessage("ready");
