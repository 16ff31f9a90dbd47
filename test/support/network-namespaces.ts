/**
 * Two machines in one: network namespaces joined by a cable (veth), with a WireGuard tunnel through
 * it. Each namespace lives as long as the process that holds it, and every process in it dies with
 * the test, so that nothing is left over, whatever happens.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { endOf, JsonChild, supportScript } from "./json-child.js";

const NEW_NAMESPACE = ["unshare", "--net", "--mount"] as const;
const PROGRAMS = ["ip", "wg", "wireguard-go", "unshare", "nsenter", "setpriv", "mount"];
/** The port on the right side's loopback where its datagrams go to the cable. */
export const TAP_PORT = 51_821;
const WIREGUARD_PORT = 51_820;
/** In the namespace's own folder in memory. */
const KEY_PATH = "/var/run/wg0.key";
const START_TRIES_MAX = 200;
const START_POLL_MS = 50;

async function untilDone(isDone: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await isDone();
      return;
    } catch (error) {
      if (tries === START_TRIES_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, START_POLL_MS));
    }
  }
}

/** Why this machine cannot make tunnels; undefined when it can. */
export function whyNoTunnels(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  for (const name of PROGRAMS) {
    const { status } = spawnSync("sh", ["-c", 'command -v "$1"', "sh", name]);
    if (status !== 0) return `needs the program ${name}`;
  }
  try {
    closeSync(openSync("/dev/net/tun", "r+"));
  } catch {
    return "needs the device /dev/net/tun";
  }
  const [program, ...flags] = NEW_NAMESPACE;
  const trial = spawnSync(program, [...flags, "mount", "-t", "tmpfs", "none", "/run"]);
  return trial.status === 0 ? undefined : "needs the right to make network namespaces";
}

interface SidePlan {
  /** On the cable. */
  readonly cable: string;
  /** In the tunnel, with their prefixes. */
  readonly tunnel: readonly string[];
  /** What the other side may use inside the tunnel. */
  readonly allowed: readonly string[];
  /** Where this side sends the tunnel's datagrams at first; WireGuard then learns the way back. */
  readonly endpoint: string | undefined;
}

/**
 * 10.0.0.3 is a second address of the right side. 10.9.0.2 is one that the tunnel lets through and
 * that lies outside its network.
 */
const LEFT: SidePlan = {
  cable: "198.51.100.1",
  tunnel: ["10.0.0.1/24", "fd00:9::1/64"],
  allowed: ["10.0.0.2/32", "10.0.0.3/32", "fd00:9::2/128", "10.9.0.2/32"],
  endpoint: undefined,
};
const RIGHT: SidePlan = {
  cable: "198.51.100.2",
  tunnel: ["10.0.0.2/24", "fd00:9::2/64", "10.0.0.3/24", "10.9.0.2/32"],
  allowed: ["10.0.0.1/32", "fd00:9::1/128"],
  endpoint: `127.0.0.1:${TAP_PORT}`,
};

/** One of the machines. */
export class NamespaceSide {
  readonly #holder: ChildProcess;
  readonly #plan: SidePlan;
  #tunnel: ChildProcess | undefined;
  #peerKey = "";

  private constructor(holder: ChildProcess, plan: SidePlan) {
    this.#holder = holder;
    this.#plan = plan;
  }

  static async create(plan: SidePlan): Promise<NamespaceSide> {
    // A folder of its own for the control sockets lets both tunnels be named wg0; /sys shows the
    // interfaces of the namespace that it was mounted in. `cat` ends when this process does.
    const mounts = [
      "mount -t sysfs none /sys",
      'mount -t tmpfs -o mode=755 none "$(readlink -f /var/run)"',
      "echo ready",
      "exec cat",
    ];
    const script = mounts.join(" && ");
    const [program, ...flags] = NEW_NAMESPACE;
    const holder = spawn(program, [...flags, "sh", "-c", script]);
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => resolve());
      holder.once("exit", () => reject(new Error("the namespace cannot be held")));
      holder.once("error", reject);
    });
    const side = new NamespaceSide(holder, plan);
    await side.run(["ip", "link", "set", "lo", "up"]);
    return side;
  }

  get holderPid(): number {
    return this.#holder.pid ?? 0;
  }

  /** Runs to the end; gives the output. Rejects when the status is not zero. */
  run(command: readonly string[]): Promise<string> {
    const [program = "", ...rest] = this.#inside(command);
    return new Promise((resolve, reject) => {
      const child = execFile(program, rest, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${command.join(" ")}: ${stderr || error.message}`));
      });
      // It may be over before its input is closed.
      child.stdin?.on("error", () => {}).end();
    });
  }

  /** Starts a process that is killed with this one. */
  spawn(command: readonly string[]) {
    const [program = "", ...rest] = this.#inside(command);
    return spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"] });
  }

  #inside(command: readonly string[]): string[] {
    const enter = ["nsenter", "--target", String(this.holderPid), "--net", "--mount", "--"];
    return ["setpriv", "--pdeathsig", "KILL", ...enter, ...command];
  }

  /** Makes the private key, which never leaves the namespace, and gives the public one. */
  async makeKey(): Promise<string> {
    const script = 'umask 077 && wg genkey > "$1" && exec wg pubkey < "$1"';
    return (await this.run(["sh", "-c", script, "sh", KEY_PATH])).trim();
  }

  async cableUp(): Promise<void> {
    await this.run(["ip", "address", "add", `${this.#plan.cable}/24`, "dev", "veth0"]);
    await this.run(["ip", "link", "set", "veth0", "up"]);
  }

  /** The kernel says only some time after both ends are up that the cable carries. */
  async cableCarries(): Promise<void> {
    await untilDone(async () => {
      const line = await this.run(["ip", "-o", "link", "show", "dev", "veth0"]);
      if (!line.includes("state UP")) throw new Error(`the cable does not carry: ${line}`);
    });
  }

  /** Starts WireGuard in user space and sets wg0 up. */
  async tunnelUp(peerKey = this.#peerKey): Promise<void> {
    this.#peerKey = peerKey;
    const { tunnel, allowed, endpoint } = this.#plan;
    this.#tunnel = this.spawn(["wireguard-go", "--foreground", "wg0"]);
    this.#tunnel.stdout?.resume();
    this.#tunnel.stderr?.resume();
    await this.#tunnelAnswers();
    const own = ["private-key", KEY_PATH, "listen-port", String(WIREGUARD_PORT)];
    const peer = ["peer", peerKey, "allowed-ips", allowed.join(",")];
    const way = endpoint === undefined ? [] : ["endpoint", endpoint];
    await this.run(["wg", "set", "wg0", ...own, ...peer, ...way]);
    for (const address of tunnel) {
      // Without duplicate address detection, which would hold IPv6 back for a second.
      const noWait = address.includes(":") ? ["nodad"] : [];
      await this.run(["ip", "address", "add", address, "dev", "wg0", ...noWait]);
    }
    await this.run(["ip", "link", "set", "wg0", "up"]);
    for (const network of allowed) {
      await this.run(["ip", "route", "replace", network, "dev", "wg0"]);
    }
  }

  async #tunnelAnswers(): Promise<void> {
    await untilDone(() => this.run(["wg", "show", "wg0"]));
  }

  async tunnelDown(): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#tunnel?.once("exit", () => resolve()));
    await this.run(["ip", "link", "delete", "wg0"]);
    await gone;
  }

  /** Bytes that the tunnel received and sent, encrypted. */
  async tunnelBytes(): Promise<{ received: number; sent: number }> {
    const line = await this.run(["wg", "show", "wg0", "transfer"]);
    const [, received = 0, sent = 0] = line.trim().split("\t").map(Number);
    return { received, sent };
  }

  async close(): Promise<void> {
    for (const child of [this.#tunnel, this.#holder]) {
      if (child !== undefined) await endOf(child, () => child.kill("SIGKILL"));
    }
  }
}

/** What someone at the cable sees. All datagrams of the tunnel go through it. */
export class WireTap {
  readonly #child: JsonChild;

  private constructor(child: JsonChild) {
    this.#child = child;
  }

  static async start(side: NamespaceSide, targetHost: string): Promise<WireTap> {
    const child = new JsonChild(side.spawn([process.execPath, supportScript("udp-tap.mjs")]));
    const target = { targetHost, targetPort: WIREGUARD_PORT };
    await child.ask("start", { listenPort: TAP_PORT, ...target });
    return new WireTap(child);
  }

  /** Counts from zero. */
  watchFor(word: string): Promise<void> {
    return this.#child.ask("watchFor", { word });
  }

  seen(): Promise<{ datagrams: number; bytes: number; withWord: number }> {
    return this.#child.ask("seen");
  }

  close(): Promise<void> {
    return this.#child.close();
  }
}

/** Two sides, the cable, the tunnel, and a tap on the cable that sees what goes through. */
export class TunnelPair {
  private constructor(
    readonly left: NamespaceSide,
    readonly right: NamespaceSide,
    readonly tap: WireTap,
  ) {}

  static async create(): Promise<TunnelPair> {
    const made: { close(): Promise<void> }[] = [];
    try {
      const left = await NamespaceSide.create(LEFT);
      made.push(left);
      const right = await NamespaceSide.create(RIGHT);
      made.push(right);
      const ends = ["veth0", "netns", String(left.holderPid), "type", "veth", "peer", "name"];
      await left.run(["ip", "link", "add", ...ends, "veth0", "netns", String(right.holderPid)]);
      await Promise.all([left.cableUp(), right.cableUp()]);
      await Promise.all([left.cableCarries(), right.cableCarries()]);
      const tap = await WireTap.start(right, LEFT.cable);
      made.push(tap);
      const [leftKey, rightKey] = await Promise.all([left.makeKey(), right.makeKey()]);
      await Promise.all([left.tunnelUp(rightKey), right.tunnelUp(leftKey)]);
      return new TunnelPair(left, right, tap);
    } catch (error) {
      for (const part of made.reverse()) await part.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const part of [this.tap, this.right, this.left]) await part.close();
  }
}
