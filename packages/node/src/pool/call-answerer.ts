/**
 * The admin's side of calls on the LAN: says to a newcomer where enrolment is. It runs while there
 * is a pool. What it says is no secret, and nobody gets in by it.
 */
import type { Clock, Logger, Random } from "@hearthmesh/core";
import { BEACON_GROUP, BeaconDoor, systemMulticastSocket } from "@hearthmesh/membership";
import { JoinCallBook, JoinCallCodec, type StatementSigner } from "@hearthmesh/pool/membership";
import { systemNetworkInterfaces } from "@hearthmesh/qwormhole";

export interface CallAnswererOptions {
  /** Name of this node. */
  readonly name: string;
  readonly signer: StatementSigner;
  readonly root: string;
  /** UDP port of beacons. */
  readonly port: number;
  /** Of enrolment, on this machine. */
  readonly enrolmentPort: number;
  /** `host:port` of enrolment, best first. */
  addresses(): readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const ADDRESSES_MAX = 4;
const ADDRESS_LENGTH_MAX = 64;

export class CallAnswerer {
  readonly #options: CallAnswererOptions;
  readonly #book: JoinCallBook;
  readonly #door: BeaconDoor;
  #poolIds = "";
  #codec: JoinCallCodec | undefined;
  #isOpen = false;
  #isStopped = false;

  constructor(options: CallAnswererOptions) {
    this.#options = options;
    const { port, clock, log } = options;
    this.#book = new JoinCallBook(clock.monotonicMs());
    this.#door = new BeaconDoor({
      group: BEACON_GROUP,
      port,
      socket: systemMulticastSocket,
      interfaces: () => systemNetworkInterfaces().list(),
      clock,
      log,
      onDatagram: (bytes, { host }) => this.#hear(bytes, host),
    });
  }

  /** Calls for these pools are answered from now on. */
  async serve(poolIds: readonly string[]): Promise<void> {
    const { root, random } = this.#options;
    if (this.#isStopped || poolIds.join() === this.#poolIds) return;
    this.#poolIds = poolIds.join();
    this.#codec = new JoinCallCodec(
      poolIds.map((poolId) => ({ poolId, root })),
      random,
    );
    if (this.#isOpen || poolIds.length === 0) return;
    this.#isOpen = true;
    await this.#door.start();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#isOpen) this.#door.stop();
  }

  #hear(bytes: Uint8Array, host: string): void {
    const { clock, log } = this.#options;
    const wallMs = clock.nowMs();
    const opened = this.#codec?.open(bytes, wallMs);
    if (opened?.call === undefined || opened.call.kind !== "call") return;
    const { call, poolId } = opened;
    const verdict = this.#book.judge(call, host, { wallMs, monotonicMs: clock.monotonicMs() });
    if (verdict !== "fresh") {
      log.debug("a call of a newcomer was not answered", { reason: verdict, peerAddress: host });
      return;
    }
    log.debug("a newcomer called", { peerAddress: host, nodeName: call.name });
    this.#answer(poolId, call.number, wallMs);
  }

  #answer(poolId: string, number: string, atMs: number): void {
    const { name, signer, enrolmentPort } = this.#options;
    const addresses = this.#options
      .addresses()
      .filter(({ length }) => length <= ADDRESS_LENGTH_MAX)
      .slice(0, ADDRESSES_MAX);
    const call = { kind: "answer", atMs, number, name, enrolmentPort, addresses } as const;
    const bytes = this.#codec?.seal(poolId, call, signer, atMs);
    if (bytes !== undefined) void this.#door.send(bytes);
  }
}
