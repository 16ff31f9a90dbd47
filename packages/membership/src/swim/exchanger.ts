/**
 * With whom whole views are exchanged: one who is here, so that what gossip lost comes after all;
 * one who is gone, so that a mesh that was cut in two finds itself again; and an address from the
 * beginning that nobody has yet.
 */
import type { NodeId } from "@hearthmesh/core";
import { isPresent, type Member } from "./member-table.js";
import type { Outgoing } from "./outgoing.js";
import type { View } from "./view.js";

/** Addresses to begin with; more are left out. */
const SEEDS_MAX = 64;

export class Exchanger {
  /** Was dead and is back: it may know others that are. */
  returned: NodeId | undefined;
  readonly #view: View;
  readonly #out: Outgoing;
  readonly #random: () => number;
  readonly #seeds = new Set<string>();

  constructor(view: View, out: Outgoing, random: () => number) {
    this.#view = view;
    this.#out = out;
    this.#random = random;
  }

  addSeed(address: string): void {
    if (this.#seeds.size >= SEEDS_MAX || address === this.#view.self.address) return;
    this.#seeds.add(address);
    this.#out.exchange(undefined, address);
  }

  run(): void {
    const { members } = this.#view;
    const returned = this.returned && members.get(this.returned);
    this.returned = undefined;
    const [present] = returned
      ? [returned]
      : members.pick(1, this.#random, ({ state }) => isPresent(state));
    if (present !== undefined) this.#exchange(present);
    const [gone] = members.pick(1, this.#random, ({ state }) => state === "dead");
    if (gone !== undefined) {
      this.#exchange(gone);
      // It hears that it is dead here, should it still be there.
      const { nodeId, address } = gone.record;
      this.#out.send(nodeId, address, { kind: "gossip" }, nodeId);
    }
    this.#exchangeWithSeed();
  }

  #exchangeWithSeed(): void {
    if (this.#seeds.size === 0) return;
    const known = new Set<string>();
    for (const { record } of this.#view.members.values()) known.add(record.address);
    const strange = [...this.#seeds].filter((address) => !known.has(address));
    const seed = strange[Math.floor(this.#random() * strange.length)];
    if (seed !== undefined) this.#out.exchange(undefined, seed);
  }

  #exchange({ record }: Member): void {
    this.#out.exchange(record.nodeId, record.address);
  }
}
