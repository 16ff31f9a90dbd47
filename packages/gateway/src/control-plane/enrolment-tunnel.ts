/**
 * The backup way to join: bytes between a newcomer and the enrolment door, for a network in which
 * beacons are not heard and only this HTTP port is open. What passes is TLS between the newcomer
 * and the door, which the newcomer has pinned to the pool's root: whoever is on the way, this
 * program included, can neither read nor change it.
 *
 *     GET /api/pools/<pool id>/enrolment
 *     Connection: Upgrade
 *     Upgrade: hearthmesh-enrolment
 *
 * is answered with 101, then with the bytes of the door; else with a problem (RFC 9457).
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type Duplex, Transform } from "node:stream";
import { type Clock, type Logger, MeshError } from "@hearthmesh/core";
import { TUNNEL_BYTES_MAX, TUNNEL_MS_MAX, TUNNELS_MAX, TUNNELS_PER_ADDRESS_MAX } from "./limits.js";

export const ENROLMENT_UPGRADE = "hearthmesh-enrolment";

export interface EnrolmentTunnelsOptions {
  /** A connection to the door of the pool's admin. `MESH_POOL_UNKNOWN`, `MESH_UNREACHABLE`. */
  open(poolId: string, signal: AbortSignal): Promise<Duplex>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class EnrolmentTunnels {
  readonly #options: EnrolmentTunnelsOptions;
  /** Open tunnels and the address that each comes from. */
  readonly #open = new Map<Duplex, string>();

  constructor(options: EnrolmentTunnelsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Resolves when the tunnel has ended. What it throws was not answered yet. */
  async serve(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    poolId: string,
  ): Promise<void> {
    if (request.headers.upgrade?.toLowerCase() !== ENROLMENT_UPGRADE) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `this address is for connections with \`Upgrade: ${ENROLMENT_UPGRADE}\``,
        hint: "`mesh pool join --control-plane URL` makes them.",
      });
    }
    const { remoteAddress = "" } = request.socket;
    this.#checkRoom(remoteAddress);
    const gone = new AbortController();
    const leave = () => gone.abort(new MeshError("MESH_CANCELLED"));
    socket.once("close", leave);
    this.#open.set(socket, remoteAddress);
    const { clock, log } = this.#options;
    const timer = clock.setTimeout(() => socket.destroy(), TUNNEL_MS_MAX);
    try {
      const door = await this.#options.open(poolId, gone.signal);
      log.info("passing on a request to join", { peerAddress: remoteAddress });
      await joined(socket, door, head);
    } finally {
      timer.cancel();
      this.#open.delete(socket);
      socket.off("close", leave);
    }
  }

  close(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #checkRoom(remoteAddress: string): void {
    const own = [...this.#open.values()].filter((address) => address === remoteAddress).length;
    if (this.#open.size < TUNNELS_MAX && own < TUNNELS_PER_ADDRESS_MAX) return;
    this.#options.log.debug("a tunnel was refused", { peerAddress: remoteAddress });
    throw new MeshError("MESH_LIMIT", {
      message: "too many machines join through here at this moment",
      details: { retryAfterMs: 1_000 },
    });
  }
}

/** Until both sides are closed; a side that breaks takes the other one with it. */
function joined(socket: Duplex, door: Duplex, head: Buffer): Promise<void> {
  let left = TUNNEL_BYTES_MAX - head.length;
  const counted = () =>
    new Transform({
      transform(piece: Buffer, _encoding, done) {
        left -= piece.length;
        if (left >= 0) done(null, piece);
        else done(new MeshError("MESH_LIMIT"));
      },
    });
  (socket as Partial<Socket>).setTimeout?.(0);
  const sides = [socket, door, counted(), counted()] as const;
  const [, , there, back] = sides;
  return new Promise((resolve) => {
    let open = 2;
    for (const side of sides) {
      side.on("error", () => {
        for (const one of sides) one.destroy();
      });
    }
    for (const [side, other] of [
      [socket, door],
      [door, socket],
    ] as const) {
      side.once("close", () => {
        if (!side.readableEnded) other.destroy();
        open--;
        if (open === 0) resolve();
      });
    }
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
        `Upgrade: ${ENROLMENT_UPGRADE}\r\n\r\n`,
    );
    if (head.length > 0) door.write(head);
    socket.pipe(there).pipe(door);
    door.pipe(back).pipe(socket);
  });
}
