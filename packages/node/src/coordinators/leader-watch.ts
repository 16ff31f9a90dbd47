/**
 * Tells the election when membership has found the leader's node dead, so that the members need not
 * wait for its lease.
 */
import type { Startable } from "@hearthmesh/core";
import type { MeshPart } from "../mesh/mesh-part.js";
import type { MemberLeadership } from "./member-leadership.js";

export class LeaderWatch implements Startable {
  readonly name = "leader watch";
  readonly #leadership: MemberLeadership;
  readonly #mesh: MeshPart;
  #stop: (() => void)[] = [];

  constructor(leadership: MemberLeadership, mesh: MeshPart) {
    this.#leadership = leadership;
    this.#mesh = mesh;
  }

  async start(): Promise<void> {
    const look = () => this.#look();
    this.#stop = [this.#mesh.parts.swim.onChange(look), this.#leadership.onChange(look)];
  }

  async stop(): Promise<void> {
    for (const stop of this.#stop.splice(0)) stop();
  }

  #look(): void {
    const { role, leader } = this.#leadership.state;
    if (role === "leader" || leader === undefined) return;
    const state = this.#mesh.parts.swim.peer(leader.nodeId)?.state;
    if (state === "dead" || state === "left") this.#leadership.suspect(leader.nodeId);
  }
}
