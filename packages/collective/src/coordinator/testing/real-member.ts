/** A member for tests: coordinator, storage nodes and client as they ship, over links in memory. */
import { randomBytes } from "node:crypto";
import { type MemberId, type Random, silentLogger } from "@hearthmesh/core";
import { ManualClock, turns } from "@hearthmesh/core/testing";
import type { Link } from "@hearthmesh/qwormhole";
import { memoryStore } from "@hearthmesh/store";
import { FileClient } from "../../client/file-client.js";
import type { Registration } from "../../storage/node-access.js";
import { NodeAgent } from "../../storage/node-agent.js";
import { openPackStore, type PackStore } from "../../storage/pack-store.js";
import { Scrubber } from "../../storage/scrubber.js";
import { StorageNode } from "../../storage/storage-node.js";
import { FaultyDisk } from "../../testing/faulty-disk.js";
import { type Machine, TestMesh } from "../../testing/test-mesh.js";
import { Coordinator } from "../coordinator.js";
import { DEFAULT_INTERVALS } from "../coordinator-options.js";
import { GrantPolicy, testPrincipal } from "./grant-policy.js";

export const MIB = 1 << 20;
export const GRACE_MS = 10_000;
const random: Random = { bytes: (length) => randomBytes(length), float: () => 0.5 };
const log = silentLogger;

export interface RealNode {
  readonly machine: Machine;
  readonly disk: FaultyDisk;
  readonly scrubber: Scrubber;
  readonly chunks: PackStore;
  readonly agent: NodeAgent;
  link: Link | undefined;
  registration: Registration | undefined;
}

export class RealMember {
  readonly clock = new ManualClock();
  readonly mesh = new TestMesh();
  readonly home = this.mesh.machine("home", "coordinator");
  /** Of the operator, who is the coordinator itself. */
  readonly principal = testPrincipal("coordinator", "home", this.home.nodeId);
  readonly nodes: RealNode[] = [];
  readonly coordinator: Coordinator;

  private constructor() {
    const { clock, home, principal } = this;
    const policy = new GrantPolicy();
    policy.grant(principal, "/:read+write+delete");
    const never = {
      ...{ scrubMs: 1e9, repairMs: 1e9, settleMs: 1e9, queueMs: 1e9 },
      ...{ garbageMs: 1e9, uploadsMs: 1e9 },
    };
    this.coordinator = new Coordinator({
      store: memoryStore({ clock }),
      access: policy,
      sign: (bytes) => home.identity.sign(bytes),
      publicKeyDer: home.identity.publicKey,
      nodeId: home.nodeId,
      memberId: "alice" as MemberId,
      ...{ clock, random, log },
      epoch: 1,
      coordinatorSecret: randomBytes(32),
      intervals: { ...DEFAULT_INTERVALS, ...never, garbageGraceMs: GRACE_MS, walkPauseMs: 0 },
    });
  }

  /** With three storage nodes. */
  static async start(): Promise<RealMember> {
    const member = new RealMember();
    const { coordinator, mesh, home } = member;
    await coordinator.start();
    await mesh.listen(home, coordinator.handlers(), (link) => coordinator.attach(link));
    for (let count = 0; count < 3; count++) await member.addNode();
    return member;
  }

  async stop(): Promise<void> {
    await this.coordinator.stop();
    await Promise.all(this.nodes.map((node) => node.agent.stop()));
    await this.mesh.close();
  }

  /** `self`: a reader on a machine that keeps chunks reads its own copies first. */
  client(self = this.home): FileClient {
    const { coordinator, principal, home, clock } = this;
    const options = { holder: home.nodeId };
    return new FileClient({
      coordinator: {
        call: (method, header, body) => coordinator.call(principal, method, header, body, options),
      },
      links: { linkTo: (node) => this.dialNode(home, node.nodeId) },
      self: self.nodeId,
      ...{ clock, random, log },
    });
  }

  async addNode(): Promise<RealNode> {
    const { mesh, nodes, clock, home } = this;
    const machine = mesh.machine(`node-${nodes.length + 1}`);
    const disk = new FaultyDisk();
    const chunks = await openPackStore({
      disk: disk.process(),
      clock,
      log,
      capacityBytes: 1 << 30,
      reserveBytes: 0,
      onDamaged: (id) => scrubber.damaged(id),
    });
    const busy = () => false;
    const shared = { chunkStore: chunks, disk: disk.process(), clock, random, log, busy };
    const scrubber: Scrubber = new Scrubber(shared);
    const node = new StorageNode({
      nodeId: machine.nodeId,
      chunkStore: chunks,
      scrub: scrubber,
      clock,
      log,
      dial: (source) => this.dialNode(machine, source.nodeId),
    });
    await mesh.listen(machine, node.handlers);
    const real: RealNode = {
      machine,
      disk,
      scrubber,
      chunks,
      link: undefined,
      registration: undefined,
      agent: new NodeAgent({
        dialCoordinator: async () => {
          real.link = await mesh.dial(machine, home, node.handlers);
          return real.link;
        },
        describe: () => ({
          roles: ["storage"],
          site: "home",
          addresses: [`${machine.name}:1`],
          version: "test",
        }),
        report: () => chunks.report(),
        onRegistered: (_response, registration) => {
          real.registration = registration;
          node.setRegistration(registration);
        },
        ...{ clock, random, log },
      }),
    };
    nodes.push(real);
    await real.agent.start();
    await until(() => this.isOnline(real));
    return real;
  }

  async dialNode(from: Machine, nodeId: string): Promise<Link> {
    const target = this.nodes.find((one) => one.machine.nodeId === nodeId);
    if (target === undefined || target.agent.state.phase !== "online")
      throw new Error("it is away");
    return this.mesh.dial(from, target.machine);
  }

  isOnline(node: RealNode): boolean {
    return this.coordinator
      .nodes()
      .some((one) => one.nodeId === node.machine.nodeId && one.state !== "offline");
  }

  async run(worker: string): Promise<void> {
    await this.coordinator
      .workers()
      .find((one) => one.name === worker)
      ?.runOnce();
  }

  async read(path: string, client = this.client()): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for await (const piece of (await client.read(path)).stream) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  allChunks(): Set<string> {
    return new Set(this.nodes.flatMap((node) => node.chunks.list(undefined, 10_000)));
  }

  infoOf({ machine }: RealNode) {
    return this.coordinator.nodes().find(({ nodeId }) => nodeId === machine.nodeId);
  }
}

/** What is waited for needs no time, only turns: real promises behind real streams. */
export async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !holds(); round++) await turns(2);
  if (!holds()) throw new Error("it does not hold");
}

export async function* once(bytes: Uint8Array) {
  yield bytes;
}
