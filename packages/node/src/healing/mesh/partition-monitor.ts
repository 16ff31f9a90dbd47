/** Whether this side of the mesh is cut off from the rest. */
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import { PARTITION_NODES_MIN } from "./limits.js";
import { PartitionJudge } from "./partition.js";
import type { PeerWatch } from "./peer-watch.js";
import { list, seconds } from "./text.js";

export interface PartitionMonitorOptions {
  readonly peers: PeerWatch;
  readonly memberId: string;
  /** Of this node. */
  readonly nodeName: string;
}

export class PartitionMonitor implements Monitor {
  readonly name = "partition";
  readonly #options: PartitionMonitorOptions;
  readonly #judge = new PartitionJudge();

  constructor(options: PartitionMonitorOptions) {
    this.#options = options;
  }

  watch(wake: () => void): () => void {
    return this.#options.peers.watch(wake);
  }

  async look(): Promise<readonly Fact[]> {
    const { peers, memberId, nodeName } = this.#options;
    const sight = this.#judge.judge(peers.notes());
    const subject: Subject = { type: "mesh", id: memberId, name: "the mesh" };
    const symptom = "partition";
    const known = sight.lost.length + sight.present.length + 1;
    if (sight.isPartition) {
      const lost = list(sight.lost.map(({ name }) => name));
      const here = list([nodeName, ...sight.present.map(({ name }) => name)]);
      const within = seconds(sight.withinMs);
      const evidence =
        `${sight.lost.length} of ${known} nodes were lost within ${within}: ${lost}; ` +
        `on this side ${sight.present.length === 0 ? "is" : "are"} ${here}`;
      const values = { lost: sight.lost.length, known };
      return [{ symptom, subject, verdict: "ill", evidence, values }];
    }
    const few = known < PARTITION_NODES_MIN ? ", too few to tell" : "";
    const evidence = `less than half of ${known} nodes were lost together${few}`;
    return [{ symptom, subject, verdict: "well", evidence, values: { lost: 0, known } }];
  }
}
