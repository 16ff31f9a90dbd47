/** A member's coordinators with real etcd on loopback, for tests. */
import { type Logger, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import type { StoreConfig } from "../../config/config.js";
import { EtcdSupervisor } from "../etcd-supervisor.js";
import type { EtcdSupervisorOptions } from "../etcd-supervisor-options.js";
import { readStoreCa } from "../store-ca.js";
import { MEMBER, type StoreHome, storeHome } from "./etcd-fixture.js";

export interface Coordinator {
  nodeId: string;
  home: StoreHome;
  /** Of the present and of every later supervisor. */
  hosts: readonly string[];
  /** It has not heard of the others. */
  isAlone: boolean;
  supervisor: EtcdSupervisor;
  running: boolean;
}

export class SupervisedMember {
  readonly coordinators: Coordinator[] = [];
  readonly removed = new Set<string>();
  readonly #log: Logger;

  constructor(log: Logger = silentLogger) {
    this.#log = log;
  }

  /** A further coordinator; the first one begins the store. */
  async add(changes: Partial<StoreConfig> = {}): Promise<Coordinator> {
    const [first] = this.coordinators;
    const nodeName = `node-${this.coordinators.length + 1}`;
    const from = first === undefined ? {} : { from: first.home.files };
    const home = await storeHome(nodeName, { store: changes, ...from });
    const nodeId = `${nodeName.replaceAll("-", "")}id`;
    const hosts = ["127.0.0.1"];
    const supervisor = await this.#supervise(nodeName, nodeId, home, hosts, first === undefined);
    const coordinator = { nodeId, home, hosts, supervisor, isAlone: false, running: false };
    this.coordinators.push(coordinator);
    return coordinator;
  }

  async start(coordinator: Coordinator): Promise<void> {
    coordinator.running = true;
    await coordinator.supervisor.start();
  }

  async stop(coordinator: Coordinator): Promise<void> {
    coordinator.running = false;
    await coordinator.supervisor.stop();
  }

  /** As a new process of the daemon would be. */
  async renew(coordinator: Coordinator, mayCreate = false): Promise<void> {
    const { home, nodeId, hosts } = coordinator;
    const nodeName = `node-${this.coordinators.indexOf(coordinator) + 1}`;
    coordinator.supervisor = await this.#supervise(nodeName, nodeId, home, hosts, mayCreate);
  }

  async close(): Promise<void> {
    for (const coordinator of this.coordinators) await this.stop(coordinator);
    for (const { home } of this.coordinators) await home.remove();
  }

  async #supervise(
    nodeName: string,
    nodeId: string,
    { files, store }: StoreHome,
    hosts: readonly string[],
    mayCreate: boolean,
  ): Promise<EtcdSupervisor> {
    const ca = await readStoreCa(files);
    if (ca === undefined) throw new Error("no store CA");
    const isAlone = () => this.coordinators.some((one) => one.nodeId === nodeId && one.isAlone);
    const others = () => this.coordinators.filter((one) => one.nodeId !== nodeId && !isAlone());
    const options: EtcdSupervisorOptions = {
      store,
      files,
      ca,
      nodeId,
      nodeName,
      trustDomain: MEMBER.trustDomain,
      hosts: () => hosts,
      mayCreate,
      others: () => ({
        storeAddresses: others().map(({ home }) => `127.0.0.1:${home.store.client.port}`),
        aliveNodeIds: others()
          .filter(({ running }) => running)
          .map((one) => one.nodeId),
      }),
      isRemoved: (id) => this.removed.has(id),
      searchPath: process.env.PATH,
      times: { lookMs: 400, pauseMs: 300, removedConfirmMs: 2_000, lostMs: 3_000 },
      clock: systemClock(),
      random: systemRandom(),
      log: this.#log,
    };
    return new EtcdSupervisor(options);
  }
}
