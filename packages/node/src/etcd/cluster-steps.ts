/** Performs what the machine decided: with etcd's calls for the cluster and its process here. */
import type { Clock, Logger, Random } from "@hearthmesh/core";
import type { EtcdAdmin, EtcdMember } from "@hearthmesh/store";
import type { Observation } from "./cluster-observer.js";
import type { EtcdStart, InitialMember } from "./etcd-arguments.js";
import type { ClusterStep } from "./etcd-cluster-machine.js";
import { setDataAside } from "./etcd-data.js";
import type { EtcdProcess } from "./etcd-process.js";
import type { StoreFiles } from "./store-files.js";

export interface ClusterStepsOptions {
  admin: EtcdAdmin;
  process: EtcdProcess;
  files: StoreFiles;
  trustDomain: string;
  self: () => InitialMember;
  /** How the process is started from now on. */
  setStart: (start: EtcdStart) => void;
  /** The membership of this node is another one, or none. */
  forget: () => void;
  clock: Clock;
  random: Random;
  log: Logger;
}

export class ClusterSteps {
  readonly #options: ClusterStepsOptions;

  constructor(options: ClusterStepsOptions) {
    this.#options = options;
  }

  /** Throws what etcd refused; the next look decides anew. */
  async perform(step: ClusterStep, seen: Observation): Promise<void> {
    const { admin, log } = this.#options;
    if (step.type === "create") return this.#create();
    if (step.type === "start") return this.#startWith({ kind: "existing" });
    if (step.type === "setAside") return this.#setAside();
    this.#speakToLeader(seen);
    if (step.type === "join") return this.#join();
    if (step.type === "startJoining") return this.#startJoining(await admin.memberList());
    if (step.type === "promoteSelf") {
      await admin.memberPromote(step.memberId);
      log.info("this node's etcd has all data and votes from now on");
    } else if (step.type === "updateSelf") {
      await admin.memberUpdate(step.memberId, this.#options.self().peerUrls);
      log.info("told the store the new addresses of this node");
    } else await this.#remove(step, seen);
  }

  async #create(): Promise<void> {
    const { random, trustDomain, log } = this.#options;
    log.info("beginning the store of this member on etcd");
    this.#startWith({ kind: "new", token: newClusterToken(trustDomain, random) });
  }

  #startWith(start: EtcdStart): void {
    this.#options.setStart(start);
    this.#options.process.start();
  }

  async #join(): Promise<void> {
    const { admin, self, log } = this.#options;
    await admin.memberAdd(self().peerUrls, { learner: true });
    log.info("joining the store: etcd gets a copy of all data");
    this.#startJoining(await admin.memberList());
  }

  /** With everybody whom the cluster lists; the one that has no name yet is this node. */
  #startJoining(members: readonly EtcdMember[]): void {
    const { self, trustDomain } = this.#options;
    const own = self();
    const isOwn = ({ peerUrls }: EtcdMember) => peerUrls.some((url) => own.peerUrls.includes(url));
    const initialCluster = members.flatMap((member) => {
      if (member.name === "" && !isOwn(member)) return [];
      const { peerUrls } = member;
      return [{ name: member.name === "" ? own.name : member.name, peerUrls }];
    });
    this.#startWith({ kind: "join", token: trustDomain, initialCluster });
  }

  async #remove(step: ClusterStep & { type: "remove" }, { members }: Observation): Promise<void> {
    const { admin, files, forget, clock, log } = this.#options;
    await admin.memberRemove(step.memberId);
    const name = members.find(({ id }) => id === step.memberId)?.name;
    log.warn("removed a member of the store", {
      reason: step.reason,
      nodeName: name === undefined || name === "" ? step.memberId : name,
    });
    if (step.reason !== "data lost") return;
    // What is left of this node's data belongs to a member that is no more.
    await setDataAside(files, clock.nowMs());
    forget();
  }

  async #setAside(): Promise<void> {
    const { process, files, forget, clock, log } = this.#options;
    await process.stop();
    const place = await setDataAside(files, clock.nowMs());
    forget();
    log.warn("the store has removed this node; what it had is put aside", {
      path: place ?? files.data,
    });
  }

  #speakToLeader({ statuses }: Observation): void {
    const leader = statuses.find(({ memberId, leaderId }) => memberId === leaderId);
    const able = statuses.filter(({ isLearner, leaderId }) => !isLearner && leaderId !== undefined);
    const endpoints = (leader === undefined ? able : [leader]).map(({ endpoint }) => endpoint);
    if (endpoints.length > 0) this.#options.admin.setEndpoints(endpoints);
  }
}

/** Every store has one of its own, so that two of them are never taken for the same. */
export function newClusterToken(trustDomain: string, random: Random): string {
  return `${trustDomain}-${Buffer.from(random.bytes(8)).toString("hex")}`;
}
