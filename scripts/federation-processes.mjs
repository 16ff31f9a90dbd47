/**
 * The federation of the homelab page without containers: members with a coordinator and storage
 * nodes each, all of them real processes on loopback. Each has a folder of its own that stands for
 * its container's file system: `data` (MESH_HOME) and `collective/certs` are in it.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePortBase, PORT_STEP } from "./free-ports.mjs";
import { MeshProcess } from "./mesh-processes.mjs";

/** As in examples/federation/docker-compose.yml. */
const MEMBERS = [
  { id: "alice", domain: "home.alice" },
  { id: "bob", domain: "garage.bob" },
  { id: "carol", domain: "office.carol" },
];
const CAPACITY = "512MB";
const READY_MS = 120_000;

/** One daemon, as one container of the compose file. */
class Container extends MeshProcess {
  /** @type {string} */
  folder;

  constructor({ name, folder, portBase, variables, isCoordinator }) {
    const certificates = join(folder, "collective", "certs");
    const common = {
      COLLECTIVE_DATA_DIR: join(folder, "data"),
      COLLECTIVE_CERT_DIR: certificates,
      COLLECTIVE_COMPONENT_ID: name,
      MESH_PORT_BASE: String(portBase),
      MESH_PROFILE: "loopback",
      // One machine's beacons say nothing that the join file does not.
      MESH_BEACON: "no",
      MESH_ADVERTISE: "127.0.0.1",
    };
    mkdirSync(join(folder, "tmp"), { recursive: true });
    const home = join(folder, "data");
    const all = { ...common, ...variables };
    super({ name, home, portBase, args: ["up"], isCoordinator, variables: all });
    this.folder = folder;
  }

  get apiAddress() {
    return `127.0.0.1:${8001 + this.portBase}`;
  }
}

/** A coordinator and its storage nodes. */
export class FederationMember {
  /** @type {Container[]} */
  nodes = [];

  constructor({ id, domain, folder, portBase, isStoring, capacity }) {
    this.id = id;
    this.capacity = capacity;
    this.domain = domain;
    this.folder = folder;
    this.joinFile = join(folder, `${id}-join`, "storage-nodes");
    this.coordinator = new Container({
      name: `${id}-coordinator`,
      folder: join(folder, `${id}-coordinator`),
      portBase,
      isCoordinator: true,
      variables: {
        COLLECTIVE_MEMBER_ID: id,
        COLLECTIVE_STORAGE_CAPACITY: capacity,
        COLLECTIVE_FEDERATION_DOMAIN: domain,
        MESH_ROLES: isStoring ? "coordinator,gateway,storage" : "coordinator,gateway",
        MESH_NODE_INVITE_FILE: this.joinFile,
      },
    });
  }

  /** Not started yet. */
  addNode(portBase) {
    const number = String(this.nodes.length + 1).padStart(2, "0");
    const name = `${this.id}-node-${number}`;
    const node = new Container({
      name,
      folder: join(this.folder, name),
      portBase,
      isCoordinator: false,
      variables: { MESH_TOKEN_FILE: this.joinFile, COLLECTIVE_STORAGE_CAPACITY: this.capacity },
    });
    this.nodes.push(node);
    return node;
  }

  get containers() {
    return [this.coordinator, ...this.nodes];
  }

  async status() {
    const answer = await fetch(`${this.coordinator.httpUrl}/api/status`);
    if (!answer.ok) throw new Error(`status of ${this.id} answered ${answer.status}`);
    return answer.json();
  }
}

export class FederationProcesses {
  /** @type {FederationMember[]} */
  members = [];
  #portBase;

  /**
   * `nodes`: how many storage nodes each member has, for as many members as there are numbers;
   * one without any stores at its coordinator.
   * Resolves when every process is ready and every node has registered.
   * @param {{ folder: string, nodes?: readonly number[], capacity?: string }} options
   */
  static async start({ folder, nodes = [3, 3, 3], capacity = CAPACITY }) {
    const federation = new FederationProcesses();
    const count = nodes.reduce((sum, one) => sum + one + 1, 0);
    federation.#portBase = await freePortBase(count + SPARE);
    federation.members = MEMBERS.slice(0, nodes.length).map((member, index) => {
      const portBase = federation.#nextPortBase();
      const isStoring = (nodes[index] ?? 0) === 0;
      const made = new FederationMember({ ...member, folder, portBase, isStoring, capacity });
      for (let node = 0; node < (nodes[index] ?? 0); node++) {
        made.addNode(federation.#nextPortBase());
      }
      return made;
    });
    // All at once, as `docker compose up` does it: nodes wait for their coordinator's invite.
    for (const container of federation.containers) container.start();
    try {
      await federation.ready();
    } catch (error) {
      const logs = federation.containers.map((one) => `${one.name}: ${one.lastWords()}`);
      await Promise.all(federation.containers.map((container) => container.kill("SIGKILL")));
      throw new Error(`${error.message}\n${logs.join("\n")}`);
    }
    return federation;
  }

  #nextPortBase() {
    const base = this.#portBase;
    this.#portBase += PORT_STEP;
    return base;
  }

  /** @returns {FederationMember} */
  member(id) {
    const found = this.members.find((one) => one.id === id);
    if (found === undefined) throw new Error(`there is no member ${id}`);
    return found;
  }

  get containers() {
    return this.members.flatMap((member) => member.containers);
  }

  /** Of the coordinators' APIs, for MESH_COORDINATOR: what ports 8001 to 8003 are elsewhere. */
  get apiAddresses() {
    return this.members.map(({ coordinator }) => coordinator.apiAddress);
  }

  /** What `--scale` does: further nodes of a member. */
  async scale(id, count) {
    const member = this.member(id);
    const added = Array.from({ length: count }, () => member.addNode(this.#nextPortBase()));
    for (const node of added) node.start();
    await this.ready();
  }

  async ready() {
    await Promise.all(this.containers.map((container) => container.ready(READY_MS)));
    const endMs = Date.now() + READY_MS;
    for (const member of this.members) {
      const wanted = Math.max(1, member.nodes.length);
      for (;;) {
        const { totals, local_nodes: known } = await member.status();
        if (totals.online >= wanted) break;
        if (Date.now() > endMs) throw new Error(whoLacks(member, wanted, known));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async stop() {
    await Promise.all(this.containers.map((container) => container.kill("SIGTERM")));
  }
}

/** Port bases for nodes that are added later. */
const SPARE = 6;

/** With the last words of one that is away, and of its coordinator. */
function whoLacks({ id, coordinator, nodes }, wanted, known) {
  const isOnline = ({ name }) => known.some((one) => one.name === name && one.state === "online");
  const away = nodes.filter((node) => !isOnline(node));
  const seen = known.map(({ name, state }) => `${name} ${state}`).join(", ");
  const words = [...away.slice(0, 1), coordinator].map(
    (one) => `${one.name} said: ${one.lastWords()}`,
  );
  return [`of ${wanted} nodes of ${id} some did not register (${seen})`, ...words].join("\n");
}
