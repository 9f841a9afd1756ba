/**
 * A WebSocket server for the [Perspective](https://perspective-dev.github.io)
 * data engine, native to Deno.
 *
 * @example Serve a table
 * ```ts
 * import { PerspectiveHandler, Server } from "@perspective-deno/handler";
 *
 * await using server = new Server();
 * const client = server.newLocalClient();
 * await client.table("symbol,price\nABC,1.5", { name: "trades" });
 *
 * await using perspective = new PerspectiveHandler({ server });
 * await using http = Deno.serve({ port: 0 }, perspective.fetch);
 * ```
 *
 * In the browser, `perspective.websocket("ws://localhost:8000/")` and
 * `open_table("trades")` get at it.
 *
 * @module
 */

export {
  type DrainOptions,
  type HandlerHealth,
  type HandlerStats,
  type HandshakeRefusal,
  PerspectiveHandler,
} from "./src/socket/handler.ts";
export type {
  PerspectiveHandlerOptions,
  ServerLike,
} from "./src/socket/options.ts";
export type { Connection, RequestRefusal } from "./src/socket/connection.ts";
export type { CloseReason } from "./src/socket/close_codes.ts";
export {
  type Sink,
  WriteLoop,
  type WriteLoopOptions,
  type WriteLoopStats,
  Writer,
  type WriterOptions,
  type Written,
} from "./src/socket/write_loop.ts";
export type { PeerInfo, TrustProxy } from "./src/policy/address.ts";
export type { Authorize } from "./src/policy/authorize.ts";
export { bearerToken } from "./src/policy/bearer.ts";
export type { DoorReason } from "./src/policy/door.ts";
export type { CheckOrigin } from "./src/policy/origin.ts";
export {
  type GuardOptions,
  Server,
  type ServerHealth,
  type ServerOptions,
  type ServerStats,
} from "./src/server/server.ts";
export type { RefusalReason, Refusals } from "./src/router/refusal.ts";
export {
  instrument,
  type InstrumentOptions,
  type OtelMeter,
  type OtelTracer,
} from "./src/metrics/instrument.ts";
export type {
  RequestObserver,
  SessionObserver,
} from "./src/router/observer.ts";
export type { ReplicaState, ReplicaStats } from "./src/router/replica.ts";
export type { RecoveryStats } from "./src/router/recovery/recovery.ts";
export type {
  NewSessionOptions,
  ServerSession,
} from "./src/server/server_session.ts";
export type {
  Prediction,
  PushStats,
  ReadStats,
  RouterStats,
} from "./src/router/router.ts";
export type {
  FrameRole,
  SendFrame,
  SessionEnd,
} from "./src/router/session_host.ts";
export type {
  Engine,
  EngineListener,
  EngineOptions,
  Executor,
} from "./src/engine/engine.ts";
export type {
  ForeignServer,
  ForeignSession,
} from "./src/engine/session_engine.ts";
export { Reframed } from "./src/protocol/frame.ts";
export type { Line } from "./src/protocol/kinds.ts";
export {
  Access,
  type AccessRules,
  fullAccess,
  readOnly,
  type TableAction,
  type TableRule,
} from "./src/policy/access.ts";
export type { ExpressionLimits } from "./src/guards/expression.ts";
export type { PayloadLimits } from "./src/guards/payload.ts";
export type { ViewLimits } from "./src/guards/view_config.ts";
export {
  ProcessPool,
  type ProcessPoolOptions,
  type ProcessPoolStats,
} from "./src/engine/process_pool.ts";
export {
  WorkerPool,
  type WorkerPoolOptions,
  type WorkerPoolStats,
} from "./src/engine/worker_pool.ts";
export type { LocalClient } from "./src/server/local_client.ts";
export {
  EngineFaultError,
  EngineLoadError,
  type ErrorContext,
  type ErrorStage,
  type OnError,
  ServerLostError,
} from "./src/errors.ts";
