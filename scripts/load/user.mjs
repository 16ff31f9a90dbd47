/**
 * One user of a load test: a connection that is kept, and one request at a time on it. It does the
 * least that a client can do, so that the node is what is measured.
 */
import net from "node:net";

const HEAD_BYTES_MAX = 16_384;

export class LoadUser {
  #target;
  #timeoutMs;
  /** @type {net.Socket | undefined} */
  #socket;

  /** @param {{ hostname: string, port: number }} target */
  constructor(target, timeoutMs = 10_000) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
  }

  /** The status of the answer, once all of it has come. Rejects when the connection fails. */
  async get(path) {
    const socket = this.#socket ?? (await this.#connect());
    this.#socket = socket;
    const { hostname, port } = this.#target;
    try {
      return await answerTo(socket, `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close() {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connect() {
    const { hostname: host, port } = this.#target;
    const socket = net.connect({ host, port, noDelay: true });
    socket.setTimeout(this.#timeoutMs, () => socket.destroy(new Error("no answer in time")));
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        socket.on("error", () => {});
        resolve(socket);
      });
    });
  }
}

function answerTo(socket, request) {
  return new Promise((resolve, reject) => {
    let head = "";
    let left = -1;
    let status = 0;
    const end = (settle, value) => {
      socket.off("data", onData);
      socket.off("close", onClose);
      settle(value);
    };
    const onClose = () => end(reject, socket.errored ?? new Error("the connection was closed"));
    const onData = (bytes) => {
      if (left < 0) {
        head += bytes.latin1Slice();
        const at = head.indexOf("\r\n\r\n");
        if (at < 0 && head.length > HEAD_BYTES_MAX) return end(reject, new Error("a long head"));
        if (at < 0) return undefined;
        status = Number(head.slice(9, 12));
        const length = /\r\ncontent-length: (\d+)/i.exec(head.slice(0, at))?.[1];
        if (length === undefined) return end(reject, new Error("an answer without a length"));
        left = Number(length) - (head.length - at - 4);
      } else {
        left -= bytes.length;
      }
      return left <= 0 ? end(resolve, status) : undefined;
    };
    socket.on("data", onData);
    socket.once("close", onClose);
    socket.write(request);
  });
}
