/** Three members of etcd for a recording, and what can be done to them. */
import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { randomInteger } from "@hearthmesh/core";
import { whyNoEtcd as whyNotInstalled } from "@hearthmesh/store/testing";
import { LabNetwork } from "../support/mesh-lab-network.mjs";
import { EtcdMember } from "./etcd-member.mjs";
import { makeTls } from "./etcd-tls.mjs";
import { PrivateDisk, whyNoPrivateDisk } from "./private-disk.mjs";
import { ShiftedTime, secondsBackMax, whyNoShiftedTime } from "./shifted-time.mjs";

const MEMBERS = 3;
const REQUEST_TIMEOUT_MS = 2500;
/** In namespaces of their own, all members have the same ports. */
const PORTS = { client: 23_790, peer: 23_800 };
/** Two files of the log, which etcd makes in advance, and the database. */
const DISK_BYTES_MAX = 176 << 20;
const HOUR_S = 3600;
/** Before a command: it is killed with this process. */
const TIED = process.platform === "linux" ? ["setpriv", "--pdeathsig", "KILL"] : [];

/**
 * @param {readonly string[]} faults
 * @returns {string | undefined}
 */
export function whyNoEtcd(faults) {
  const reasons = [
    whyNotInstalled(),
    faults.includes("partition") ? whyNoPartition() : undefined,
    faults.includes("disk") ? whyNoPrivateDisk() : undefined,
    faults.includes("clock") ? whyNoShiftedTime() : undefined,
  ];
  return reasons.find((reason) => reason !== undefined);
}

function whyNoPartition() {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["ip", "ebtables", "unshare", "nsenter", "setpriv"]) {
    const { status } = spawnSync("sh", ["-c", 'command -v "$1"', "sh", program]);
    if (status !== 0) return `needs the program ${program}`;
  }
  const trial = spawnSync("unshare", ["--net", "ip", "link", "add", "trial", "type", "bridge"]);
  return trial.status === 0 ? undefined : "needs the right to make network namespaces";
}

export class EtcdBed {
  startRevision = 1;
  #members = [];
  #sides = [];
  #network;
  /** Beyond this machine's loopback the engine takes https alone. */
  #tls;
  #disk;
  #times = [];

  /**
   * @param {{ folder: string, faults: readonly string[] }} options
   */
  static async create({ folder, faults }) {
    const bed = new EtcdBed();
    try {
      await bed.#build(folder, faults);
    } catch (error) {
      await bed.close();
      throw error;
    }
    return bed;
  }

  async #build(folder, faults) {
    const isApart = faults.includes("partition");
    if (isApart) {
      await this.#buildNetwork();
      const hosts = this.#sides.map(({ port }) => port.address);
      this.#tls = await makeTls(join(folder, "tls"), hosts);
    }
    const free = isApart ? [] : await freePorts(MEMBERS * 2);
    for (let place = 0; place < MEMBERS; place++) {
      const side = this.#sides[place];
      this.#members.push(
        new EtcdMember({
          name: `m${place}`,
          host: side?.port.address ?? "127.0.0.1",
          ports: isApart ? PORTS : { client: free[place * 2], peer: free[place * 2 + 1] },
          folder: join(folder, `m${place}`),
          inside: (command) => this.#inside(place, command),
          ...(this.#tls && { tlsFlags: this.#tls.flags }),
        }),
      );
    }
    if (faults.includes("disk")) {
      this.#disk = await PrivateDisk.create(this.#members.at(-1).folder, DISK_BYTES_MAX);
    }
    for (const member of this.#members) member.start(this.#members);
    await Promise.all(this.#members.map((member) => member.serves()));
  }

  async #buildNetwork() {
    this.#network = await LabNetwork.create();
    const lan = await this.#network.addLan();
    for (let place = 0; place < MEMBERS; place++) {
      const namespace = await this.#network.namespace();
      this.#sides.push({ namespace, port: await this.#network.plug(namespace, lan) });
    }
  }

  /** The network of its place, and for the last one also the small disk. */
  #inside(place, command) {
    const side = this.#sides[place];
    const net = side && ["nsenter", "--target", `${side.namespace.pid}`, "--net", "--"];
    const hasDisk = this.#disk !== undefined && place === MEMBERS - 1;
    const inner = hasDisk ? this.#disk.inside(command) : command;
    return [...TIED, ...(net ?? []), ...inner];
  }

  /** Each client asks another member first. */
  storeOptions(place) {
    const endpoints = this.#members.map((_, index) => {
      return this.#members[(place + index) % MEMBERS].endpoint;
    });
    const tls = this.#tls && { tls: this.#tls.tls };
    return { endpoints, requestTimeoutMs: REQUEST_TIMEOUT_MS, ...tls };
  }

  /** In the network of its member, so that it is cut off with it. */
  spawnClient(command, place) {
    const side = this.#sides[place % MEMBERS];
    const net = side && ["nsenter", "--target", `${side.namespace.pid}`, "--net", "--"];
    const [program, ...rest] = [...TIED, ...(net ?? []), ...command];
    return spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"] });
  }

  /** Each begins the fault and gives what ends it. `say` writes a line of the history. */
  faults = {
    kill: async (say, random) => {
      const some = this.#some(random, [1, 1, 1, 2, MEMBERS]);
      for (const { name } of some) say("kill", name, "SIGKILL");
      await Promise.all(some.map((member) => member.kill()));
      return async () => {
        for (const member of some) this.#restart(member, say);
      };
    },
    pause: async (say, random) => {
      const some = this.#some(random, [1, 1, 2]);
      for (const member of some) {
        say("pause", member.name, "SIGSTOP");
        member.pause();
      }
      return async () => {
        for (const member of some) {
          member.resume();
          say("resume", member.name);
        }
      };
    },
    partition: async (say, random) => {
      const [one, two, three] = this.#shuffled(random, this.#sides);
      const name = (side) => this.#members[this.#sides.indexOf(side)].name;
      const kinds = {
        minority: () => this.#network.cut([one.port], [two.port, three.port]),
        bridge: () => this.#network.cut([one.port], [two.port]),
        "one-way": async () => {
          await this.#network.cutOneWay(one.port, two.port);
          await this.#network.cutOneWay(one.port, three.port);
        },
      };
      const kind = Object.keys(kinds)[randomInteger(random, 3)];
      const words = {
        minority: `alone, the others together`,
        bridge: `and ${name(two)} do not reach each other; ${name(three)} reaches both`,
        "one-way": "hears the others, and they do not hear it",
      };
      say("partition", name(one), words[kind]);
      await kinds[kind]();
      return async () => {
        await this.#network.heal();
        say("heal", "all");
      };
    },
    disk: async (say) => {
      const member = this.#members.at(-1);
      say("fill", member.name, "its disk is full");
      await this.#disk.fill();
      return async () => {
        await this.#disk.free();
        say("free", member.name);
        if (!member.isRunning) this.#restart(member, say);
      };
    },
    clock: async (say, random, clients) => {
      const [member] = this.#some(random, [1]);
      const seconds = random.float() < 0.5 ? HOUR_S : -Math.min(HOUR_S, secondsBackMax());
      const time = await ShiftedTime.create(seconds);
      this.#times.push(time);
      const jump = (shiftMs) => Promise.all(clients.map((line) => line.ask("jump", { shiftMs })));
      await member.kill();
      member.start(this.#members, (command) => time.inside(command));
      say("clock", member.name, `its monotonic clock is ${seconds} s off, after a restart`);
      await jump(-seconds * 1000);
      say("clock", "clients", `their time of day is ${-seconds} s off`);
      return async () => {
        await member.kill();
        member.start(this.#members);
        await jump(0);
        say("clock", member.name, "right again, after a restart; and the clients'");
      };
    },
  };

  #restart(member, say) {
    member.start(this.#members);
    say("restart", member.name);
  }

  #shuffled(random, items) {
    const left = [...items];
    return items.map(() => left.splice(randomInteger(random, left.length), 1)[0]);
  }

  #some(random, counts) {
    const count = counts[randomInteger(random, counts.length)];
    return this.#shuffled(random, this.#members).slice(0, count);
  }

  async close() {
    await Promise.all(this.#members.map((member) => member.kill()));
    for (const time of this.#times) await time.close();
    await this.#disk?.close();
    await this.#network?.close();
  }
}

/** All are held at once, so that no two are the same. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
