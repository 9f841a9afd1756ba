/**
 * An engine without anything around it: Perspective's low-level calls, one
 * request at a time, the answer left where the engine wrote it.
 */

/** An address or a length: 64 bits if the engine's memory is, else 32. */
type Word = number | bigint;

/** The calls of the WebAssembly module. */
interface EngineModule {
  readonly HEAPU8: Uint8Array;
  _psp_alloc(bytes: Word): Word;
  _psp_free(address: Word): void;
  _psp_is_memory64(): number;
  _psp_new_session(server: Word): number;
  _psp_handle_request(
    server: Word,
    session: number,
    address: Word,
    bytes: Word,
  ): Word;
  _psp_poll(server: Word): Word;
}

/** What the engine's packages export and this file needs. */
interface EnginePackage {
  readonly PerspectiveServer: new () => {
    readonly module: EngineModule;
    readonly server: Word;
  };
}

/** Receives what is for a session, valid during the call only. */
export type Receive = (answer: Uint8Array, session: number) => void;

/** A Perspective server in this thread. */
export class BareEngine {
  readonly #module: EngineModule;
  readonly #server: Word;
  readonly #wide: boolean;

  private constructor({ PerspectiveServer }: EnginePackage) {
    const { module, server } = new PerspectiveServer();
    this.#module = module;
    this.#server = server;
    this.#wide = Boolean(module._psp_is_memory64());
  }

  /** Loads the engine of a package. */
  static async load(specifier: string): Promise<BareEngine> {
    return new BareEngine(await import(specifier) as EnginePackage);
  }

  /** Opens a session. */
  newSession(): number {
    return this.#module._psp_new_session(this.#server);
  }

  /** Executes a request and polls, as Perspective's own servers do. */
  request(session: number, frame: Uint8Array, receive: Receive): void {
    const module = this.#module;
    const length = this.#word(frame.length);
    const address = module._psp_alloc(length);
    module.HEAPU8.set(frame, Number(address));
    const answers = module._psp_handle_request(
      this.#server,
      session,
      address,
      length,
    );
    module._psp_free(address);
    this.#deliver(answers, receive);
    this.#deliver(module._psp_poll(this.#server), receive);
  }

  /**
   * Hands over and frees a list of answers. In memory it is `{ u32 count;
   * word messages }`, and a message is `{ word data; i32 length; i32 client }`.
   */
  #deliver(list: Word, receive: Receive): void {
    const module = this.#module;
    const { buffer } = module.HEAPU8;
    const memory = new DataView(buffer);
    const messageBytes = this.#wide ? 16 : 12;
    const count = memory.getUint32(Number(list), true);
    const messages = this.#address(memory, Number(list) + 4);
    for (let index = 0; index < count; index++) {
      const at = messages + index * messageBytes;
      const data = this.#address(memory, at);
      const length = memory.getInt32(at + messageBytes - 8, true);
      const session = memory.getInt32(at + messageBytes - 4, true);
      receive(new Uint8Array(buffer, data, length), session);
      module._psp_free(this.#word(data));
    }
    module._psp_free(this.#word(messages));
    module._psp_free(list);
  }

  #address(memory: DataView, at: number): number {
    return this.#wide
      ? Number(memory.getBigUint64(at, true))
      : memory.getUint32(at, true);
  }

  #word(value: number): Word {
    return this.#wide ? BigInt(value) : value;
  }
}
