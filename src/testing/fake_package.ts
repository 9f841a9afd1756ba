/**
 * Engine packages, as modules to be loaded, that do what a test says. For tests
 * only.
 *
 * @module
 */

/** The specifier of an engine that does what `handle` says with a request. */
export function fakePackage(handle: string): string {
  const source = `
    const memory = new DataView(new ArrayBuffer(1 << 20));
    let nth = 0;
    export class PerspectiveServer {
      server = 8;
      module = {
        HEAPU8: new Uint8Array(memory.buffer),
        _psp_is_memory64: () => 0,
        _psp_new_session: () => 1,
        _psp_alloc: () => 64,
        _psp_free: () => {},
        _psp_poll: () => 0,
        _psp_handle_request: () => { nth++; ${handle} },
      };
    }
    export const make_client = () => {};
  `;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

/** What an engine does that takes so many milliseconds and answers nothing. */
export function spinning(ms: number): string {
  return `
    const end = performance.now() + ${ms};
    while (performance.now() < end);
    return 0;
  `;
}

/** What an engine does that answers with so many bytes, an expression. */
export function answering(length: string): string {
  return `
    const list = [1, 1008, 2048, ${length}, 1];
    list.forEach((word, at) => memory.setUint32(1000 + 4 * at, word, true));
    return 1000;
  `;
}

/** The specifier of a package that does what `load` says, and then isn't loaded. */
export function neverLoaded(load = ""): string {
  const source = `${load}; await new Promise(() => {});`;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

/** The specifier of an engine that takes so long, and says when it begins. */
export class BusyPackage implements Disposable {
  readonly #channel = new BroadcastChannel(crypto.randomUUID());
  readonly specifier: string;

  constructor(ms: number) {
    const name = JSON.stringify(this.#channel.name);
    this.specifier = fakePackage(
      `new BroadcastChannel(${name}).postMessage(0); ${spinning(ms)}`,
    );
  }

  /** Resolves when an engine is at a request, from now on. */
  begins(): Promise<void> {
    return new Promise((resolve) => {
      this.#channel.onmessage = () => resolve();
    });
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}
