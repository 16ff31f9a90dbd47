/**
 * Questions to Yggdrasil's daemon at its admin socket: one connection for each, closed by the
 * daemon after its answer. Bounded in bytes and in time, because whatever listens there may be
 * anything.
 */
import { connect } from "node:net";
import type { Clock } from "@hearthmesh/core";
import { ADMIN_ANSWER_BYTES_MAX, ADMIN_ANSWER_MS_MAX } from "./limits.js";
import type { OverlayPeer } from "./overlay.js";
import { readPeers, readSelf, responseOf, type YggdrasilSelf } from "./yggdrasil-answers.js";

export class YggdrasilAdmin {
  readonly #path: string;
  readonly #clock: Clock;

  constructor(socketPath: string, clock: Clock) {
    this.#path = socketPath;
    this.#clock = clock;
  }

  /** Throws an `Error` that says why there is no answer, or what is wrong with it. */
  async self(): Promise<YggdrasilSelf> {
    return readSelf(responseOf(await this.#ask("getself")));
  }

  async peers(): Promise<OverlayPeer[]> {
    return readPeers(responseOf(await this.#ask("getpeers")));
  }

  #ask(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#path);
      const pieces: Buffer[] = [];
      let bytes = 0;
      const fail = (message: string) => {
        deadline.cancel();
        socket.destroy();
        reject(new Error(message));
      };
      const seconds = ADMIN_ANSWER_MS_MAX / 1000;
      const deadline = this.#clock.setTimeout(
        () => fail(`no answer within ${seconds} s`),
        ADMIN_ANSWER_MS_MAX,
      );
      socket.once("connect", () => {
        socket.write(`${JSON.stringify({ request, arguments: {}, keepalive: false })}\n`);
      });
      socket.on("data", (piece) => {
        bytes += piece.length;
        if (bytes > ADMIN_ANSWER_BYTES_MAX) {
          fail(`its answer is longer than ${ADMIN_ANSWER_BYTES_MAX} bytes`);
        } else pieces.push(piece);
      });
      socket.once("error", (error) => fail(error.message));
      socket.once("end", () => {
        deadline.cancel();
        socket.destroy();
        resolve(Buffer.concat(pieces).toString("utf8"));
      });
    });
  }
}
