/**
 * A newcomer calls on the LAN for the admin of a pool and hears where its enrolment is. Nothing
 * that is heard is believed: whoever answers proves the pool's root key before anything is said.
 */
import type { Clock, Logger, Random, Timer } from "@hearthmesh/core";
import { type Endpoint, type KeyPairPem, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { BEACON_GROUP, BeaconDoor, systemMulticastSocket } from "@hearthmesh/membership";
import { JoinCallCodec } from "@hearthmesh/pool/membership";
import { systemNetworkInterfaces } from "@hearthmesh/qwormhole";
import { CALL_BURST_MS, CALL_INTERVAL_MS, CALLS_OPEN_MAX } from "./limits.js";
import { endpointOf } from "./places.js";

export interface NewcomerCallsOptions {
  readonly poolId: string;
  readonly root: string;
  readonly name: string;
  readonly keyPair: KeyPairPem;
  /** UDP port of beacons. */
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Enrolment ports of an admin, the one at the address that answered first. */
  onPlaces(places: readonly Endpoint[]): void;
}

export class NewcomerCalls {
  readonly #options: NewcomerCallsOptions;
  readonly #codec: JoinCallCodec;
  readonly #door: BeaconDoor;
  /** Numbers of calls that may still be answered, the oldest first. */
  readonly #numbers = new Set<string>();
  #timers: Timer[] = [];
  #isRunning = false;

  constructor(options: NewcomerCallsOptions) {
    this.#options = options;
    const { poolId, root, port, clock, random, log } = options;
    this.#codec = new JoinCallCodec([{ poolId, root }], random);
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

  /** Why nobody can be heard; undefined while the LAN can be used. */
  get reason(): string | undefined {
    return this.#door.report().reason;
  }

  async start(): Promise<void> {
    this.#isRunning = true;
    await this.#door.start();
    const { clock } = this.#options;
    this.#timers = CALL_BURST_MS.map((delayMs) => clock.setTimeout(() => this.#call(), delayMs));
    this.#callRegularly();
  }

  stop(): void {
    this.#isRunning = false;
    for (const timer of this.#timers.splice(0)) timer.cancel();
    this.#door.stop();
  }

  #callRegularly(): void {
    const timer = this.#options.clock.setTimeout(() => {
      if (!this.#isRunning) return;
      this.#timers = this.#timers.filter((one) => one !== timer);
      this.#callRegularly();
      this.#call();
    }, CALL_INTERVAL_MS);
    this.#timers.push(timer);
  }

  #call(): void {
    const { poolId, name, keyPair, clock, random } = this.#options;
    const number = Buffer.from(random.bytes(16)).toString("hex");
    this.#numbers.add(number);
    const [oldest] = this.#numbers;
    if (this.#numbers.size > CALLS_OPEN_MAX && oldest !== undefined) this.#numbers.delete(oldest);
    const nowMs = clock.nowMs();
    const signer = {
      publicKey: publicKeyDerOf(keyPair.publicKeyPem),
      sign: signerOf(keyPair.privateKeyPem),
    };
    const call = {
      kind: "call",
      atMs: nowMs,
      number,
      name,
      enrolmentPort: 0,
      addresses: [],
    } as const;
    void this.#door.send(this.#codec.seal(poolId, call, signer, nowMs));
  }

  #hear(bytes: Uint8Array, host: string): void {
    if (!this.#isRunning) return;
    const { call } = this.#codec.open(bytes, this.#options.clock.nowMs());
    if (call?.kind !== "answer" || !this.#numbers.has(call.number)) return;
    const own = call.enrolmentPort === 0 ? [] : [{ host, port: call.enrolmentPort }];
    const told = call.addresses.flatMap((text) => endpointOf(text) ?? []);
    this.#options.onPlaces([...own, ...told]);
  }
}
