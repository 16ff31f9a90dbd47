/**
 * Method names as bytes and back, with small caches: a link uses the same few names over and over.
 */
import { QWormholeError } from "./errors.js";
import { METHOD_BYTES_MAX } from "./limits.js";

const CACHED_MAX = 256;

export class MethodNames {
  readonly #encoded = new Map<string, Uint8Array>();
  #lastBytes: Uint8Array = new Uint8Array(0);
  #lastName = "";

  /** Throws `QW_OPTIONS_INVALID` when the name is empty or longer than `METHOD_BYTES_MAX`. */
  encode(method: string): Uint8Array {
    const known = this.#encoded.get(method);
    if (known !== undefined) return known;
    const bytes = Buffer.from(method, "utf8");
    if (bytes.length === 0 || bytes.length > METHOD_BYTES_MAX) {
      const message = `a method name has 1 to ${METHOD_BYTES_MAX} bytes, not ${bytes.length}`;
      throw new QWormholeError("QW_OPTIONS_INVALID", { message });
    }
    if (this.#encoded.size >= CACHED_MAX) this.#encoded.clear();
    this.#encoded.set(method, bytes);
    return bytes;
  }

  decode(bytes: Uint8Array, start: number, end: number): string {
    const last = this.#lastBytes;
    if (last.length === end - start) {
      let at = 0;
      while (at < last.length && last[at] === bytes[start + at]) at++;
      if (at === last.length) return this.#lastName;
    }
    this.#lastBytes = Uint8Array.prototype.slice.call(bytes, start, end);
    this.#lastName = new TextDecoder().decode(this.#lastBytes);
    return this.#lastName;
  }
}
