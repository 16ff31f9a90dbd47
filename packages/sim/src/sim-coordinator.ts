/** The program on the coordinator's machine. */
import { createHash } from "node:crypto";
import {
  Authority,
  Coordinator,
  type CoordinatorIntervals,
  type FsckReport,
  type NodeInfo,
  type WorkerInspection,
} from "@hearthmesh/collective";
import type { Clock, MemberId } from "@hearthmesh/core";
import { type MemberCa, type Principal, parseGrant } from "@hearthmesh/identity";
import { type LinkHandlers, listenLinks } from "@hearthmesh/qwormhole";
import type { MemoryHistory } from "@hearthmesh/store";
import type { GrantKeeper } from "./grant-turns.js";
import { SIM_DOMAIN, SIM_MEMBER, type SimIdentity } from "./sim-identities.js";
import { LINK_PORT, simLinkOptions } from "./sim-links.js";
import type { ProcessContext } from "./sim-machine.js";
import { VirtualStore } from "./virtual-store.js";

export interface SimCoordinatorOptions {
  process: ProcessContext;
  identity: SimIdentity;
  ca: MemberCa;
  /** What is on the database's disk. */
  history: MemoryHistory;
  /** Of the machine, on which the disk goes by. */
  machineClock: Clock;
  /** How often it was started: who leads passes it to every effect. */
  epoch: number;
  replicas: number;
  acks: number;
  intervals: Partial<CoordinatorIntervals>;
}

export interface RunningCoordinator {
  listNodes(): readonly NodeInfo[];
  /** What its operator may do with grants. */
  readonly grants: GrantKeeper;
  /** One run of a worker, as its operator asks for it: what it has done. */
  runWorker(name: string): Promise<Pick<WorkerInspection, "done" | "errors">>;
  fsck(repair: boolean): Promise<FsckReport>;
  /** A method that its operator may call, such as `layout.drain`. */
  operate(method: string, header: object): Promise<object>;
}

export async function startCoordinator(
  options: SimCoordinatorOptions,
): Promise<RunningCoordinator> {
  const { process, identity, ca, epoch, replicas, acks, intervals } = options;
  const { clock, random, log } = process;
  const store = openStore(options);
  const trust = { memberId: SIM_MEMBER, trustDomain: SIM_DOMAIN };
  const shared = { store, clock, log };
  const authority = await Authority.open({
    ...trust,
    ...shared,
    ca,
    random: random.fork("authority"),
  });
  const coordinator = new Coordinator({
    ...shared,
    access: authority,
    sign: identity.link.sign,
    publicKeyDer: identity.link.publicKey,
    nodeId: identity.nodeId,
    memberId: SIM_MEMBER as MemberId,
    random: random.fork("coordinator"),
    epoch,
    coordinatorSecret: createHash("sha256").update(identity.keys.privateKeyPem).digest(),
    replicas,
    acks,
    intervals,
    rolesOf: (principal) => authority.identity(principal.nodeId)?.roles ?? [],
  });
  await coordinator.start();
  await listen(options, authority, coordinator);
  const operator = (): Principal => authority.localOperator();
  const grants = grantKeeper(authority);
  return { listNodes: () => coordinator.nodes(), grants, ...upkeepOf(coordinator, operator) };
}

function grantKeeper(authority: Authority): GrantKeeper {
  const by = { principal: authority.localOperator() };
  return {
    give: async (person, grant) => {
      const request = { subject: `${person}@${SIM_DOMAIN}`, grant: parseGrant(grant) };
      return (await authority.grants.give(by, request)).id;
    },
    take: async (id) => void (await authority.grants.take(by, id)),
  };
}

function upkeepOf(
  coordinator: Coordinator,
  operator: () => Principal,
): Pick<RunningCoordinator, "runWorker" | "fsck" | "operate"> {
  const runWorker = async (name: string) => {
    const worker = coordinator.workers().find((one) => one.name === name);
    if (worker === undefined) throw new Error(`there is no worker ${name}`);
    const before = worker.inspect();
    await worker.runOnce();
    const { done, errors } = worker.inspect();
    return { done: done - before.done, errors: errors - before.errors };
  };
  return {
    runWorker,
    operate: async (method, header) => (await coordinator.call(operator(), method, header)).header,
    fsck: async (repair) => {
      await coordinator.call(operator(), "fsck.run", { repair });
      await coordinator
        .workers()
        .find((one) => one.name === "fsck")
        ?.ended();
      const { body } = await coordinator.call(operator(), "fsck.report", {});
      return JSON.parse(Buffer.from(body).toString("utf8")).report as FsckReport;
    },
  };
}

function openStore({ process, history, machineClock }: SimCoordinatorOptions): VirtualStore {
  const store = new VirtualStore({
    clock: machineClock,
    processClock: process.clock,
    random: process.random.fork("store"),
    history,
  });
  process.onDeath(() => store.kill());
  return store;
}

async function listen(
  { process, identity }: SimCoordinatorOptions,
  authority: Authority,
  coordinator: Coordinator,
): Promise<void> {
  const { onRequest, onStream } = coordinator.handlers();
  // As the daemon does: that a principal is still valid is checked at every request.
  const check = (peer: { identity: unknown }) => authority.check(peer.identity as Principal);
  const handlers: LinkHandlers = {
    onRequest: async (request) => {
      check(request.peer);
      return (await onRequest?.(request)) ?? new Uint8Array();
    },
    onStream: async (stream) => {
      check(stream.peer);
      await onStream?.(stream);
    },
  };
  const principalOf = (certificates: readonly Uint8Array[]) => authority.principal(certificates);
  await listenLinks(
    process.transport,
    { host: identity.name, port: LINK_PORT },
    simLinkOptions(process, identity, handlers, principalOf),
    (link) => coordinator.attach(link),
  );
}
