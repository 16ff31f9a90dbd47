/**
 * A network over networks that the node manages beside its own links: it gives each node an address
 * at which others can dial it wherever they are. It carries packets and nothing else: whoever
 * answers at such an address is checked by mutual TLS like anybody.
 */
import type { Startable } from "@hearthmesh/core";
import type { SupervisedProcess } from "../processes/supervised-process.js";

/**
 * - `stopped`: it was not started, or was stopped.
 * - `starting`: its program was started and has not answered yet.
 * - `up`: it answers, and has its address.
 * - `silent`: its program runs and does not answer.
 * - `down`: its program ended; it is started again.
 */
export type OverlayPhase = "stopped" | "starting" | "up" | "silent" | "down";

/** A machine that the overlay is connected with directly; others are reached through such ones. */
export interface OverlayPeer {
  /** Hexadecimal, of the overlay, not of the node; empty while it is not connected. */
  readonly key: string;
  /** IPv6; empty while it is not connected. */
  readonly address: string;
  /** Where it was dialled or calls from, without passwords. */
  readonly remote: string;
  readonly up: boolean;
  /** Whether it called this node; null where the program does not say. */
  readonly inbound: boolean | null;
  readonly uptimeSeconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Why it is not connected. */
  readonly reason?: string;
}

export interface OverlayStatus {
  readonly type: string;
  readonly phase: OverlayPhase;
  /** Why it is not up, with what to do; why nobody is connected. */
  readonly reason?: string;
  /** Of this node, for others to dial; undefined without an interface. */
  readonly address: string | undefined;
  /** The network that is this node's to give away, such as `300:1:2:3::/64`. */
  readonly subnet: string | undefined;
  /** Hexadecimal, public. */
  readonly key: string | undefined;
  /** Of the program, as it says itself; undefined until it has answered. */
  readonly version: string | undefined;
  /** Since its program was started; undefined while none runs. */
  readonly uptimeSeconds: number | undefined;
  /** Ends of its program that nobody asked for. */
  readonly restarts: number;
}

export interface Overlay extends Startable {
  status(): OverlayStatus;
  /** Hosts at which others reach this node; they stay while its program is started again. */
  addresses(): readonly string[];
  /** Whether an address is one of this overlay. */
  contains(host: string): boolean;
  /** As it last said; none unless it is up. */
  peers(): readonly OverlayPeer[];
  /** Calls when its phase or its peers are other ones; returns a function that ends it. */
  watch(listener: () => void): () => void;
  /** For the healer. */
  readonly process: SupervisedProcess;
}
