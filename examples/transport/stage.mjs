/**
 * Examples as processes: starts them, passes on what they print, and waits for it. Nothing is left
 * running, whatever happens to a scene.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** For one line of output, or one end of a process; only a broken example needs it all. */
const PATIENCE_MS = 20_000;
/** Below the ports that systems give to outgoing connections, so that none takes one meanwhile. */
const PORTS = { from: 20_000, to: 32_000 };

const NAME_WIDTH = 14;

/** @typedef {string | RegExp} Words what a line must contain */

/** One process. */
class Actor {
  #child;
  #name;
  /** @type {string[]} */
  #lines = [];
  /** Lines before this one were waited for already. */
  #next = 0;
  /** @type {Set<() => void>} */
  #watchers = new Set();
  /** @type {{ code: number | null, signal: NodeJS.Signals | null } | undefined} */
  #end;

  /** @param {(line: string) => void} print */
  constructor(name, child, print) {
    this.#name = name;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        print(`${name.padEnd(NAME_WIDTH)}| ${line}`);
        this.#lines.push(line);
        this.#notify();
      });
    }
    // After the last line of output.
    child.once("close", (code, signal) => {
      this.#end = { code, signal };
      this.#notify();
    });
  }

  get hasEnded() {
    return this.#end !== undefined;
  }

  /**
   * Waits until every one of `wanted` was printed, in any order, after what was waited for before.
   * @param {Words[]} wanted
   */
  async says(...wanted) {
    let last = -1;
    const missing = () => wanted.filter((words) => this.#find(words) < 0);
    await this.#until(() => {
      if (missing().length > 0) return false;
      last = Math.max(...wanted.map((words) => this.#find(words)));
      return true;
    }, missing);
    this.#next = last + 1;
  }

  /** @param {Words} words what must not have been printed */
  neverSaid(words) {
    const line = this.#lines.find((each) => isIn(each, words));
    if (line !== undefined) throw new Error(`${this.#name} said: ${line}`);
  }

  /** How often it was printed. @param {Words} words */
  timesSaid(words) {
    return this.#lines.filter((line) => isIn(line, words)).length;
  }

  /** As a crash or a power cut: no word to anybody. */
  async kill() {
    await this.#signal("SIGKILL");
  }

  /** Asks it to end, and expects that it ends by itself and in order. */
  async stop(signal = "SIGTERM") {
    const end = await this.#signal(signal);
    if (end.code === 0) return;
    throw new Error(`${this.#name} did not end in order after ${signal}: ${JSON.stringify(end)}`);
  }

  /** Waits until it ends by itself, with a failure. */
  async fails() {
    await this.#until(
      () => this.hasEnded,
      () => ["its end"],
    );
    if (this.#end?.code === 1) return;
    throw new Error(`${this.#name} was to fail, and ended with ${JSON.stringify(this.#end)}`);
  }

  /** Without waiting: for the end of everything. */
  abandon() {
    if (!this.hasEnded) this.#child.kill("SIGKILL");
  }

  async #signal(signal) {
    this.#child.kill(signal);
    await this.#until(
      () => this.hasEnded,
      () => [`its end after ${signal}`],
    );
    return this.#end ?? { code: null, signal: null };
  }

  #find(words) {
    return this.#lines.findIndex((line, index) => index >= this.#next && isIn(line, words));
  }

  #notify() {
    for (const watch of [...this.#watchers]) watch();
  }

  /**
   * @param {() => boolean} condition
   * @param {() => Words[]} missing
   */
  #until(condition, missing) {
    return /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        const finish = (settle) => {
          clearTimeout(timer);
          this.#watchers.delete(check);
          settle();
        };
        const fail = (why) => {
          const lines = this.#lines.slice(this.#next).map((line) => `\n    ${line}`);
          const text = `${this.#name} ${why}: ${missing().join(", ")}; since then it said:`;
          finish(() => reject(new Error(text + (lines.join("") || " nothing"))));
        };
        const check = () => {
          if (condition()) finish(resolve);
          else if (this.hasEnded) fail("ended without");
        };
        const timer = setTimeout(() => fail("was waited for in vain"), PATIENCE_MS);
        this.#watchers.add(check);
        check();
      })
    );
  }
}

/** The processes of one scene. */
class Stage {
  /** @type {Actor[]} */
  #actors = [];
  #print;

  /** @param {(line: string) => void} print */
  constructor(print) {
    this.#print = print;
  }

  /** Says what happens next, among the output. */
  note(text) {
    this.#print(`${"".padEnd(NAME_WIDTH)}* ${text}`);
  }

  /**
   * Starts an example, by the name of its file.
   * @param {string} name before its lines of output
   * @param {string} example
   * @param {Record<string, string | number>} variables
   */
  start(name, example, variables) {
    // Variables of the caller must not leak into the examples, nor colours into their output.
    const kept = Object.entries(process.env).filter(
      ([key]) => !key.startsWith("MESH_") && key !== "FORCE_COLOR",
    );
    const given = Object.entries(variables).map(([key, value]) => [key, String(value)]);
    const path = fileURLToPath(new URL(`dist/${example}.js`, import.meta.url));
    const child = spawn(process.execPath, [path], {
      env: Object.fromEntries([...kept, ...given]),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const actor = new Actor(name, child, this.#print);
    this.#actors.push(actor);
    return actor;
  }

  /** Every process that still runs must end in order. */
  async finish() {
    await Promise.all(this.#actors.filter((actor) => !actor.hasEnded).map((actor) => actor.stop()));
  }

  /** Nobody is left, however the scene went. */
  async clear() {
    await Promise.all(this.#actors.filter((actor) => !actor.hasEnded).map((actor) => actor.kill()));
  }

  abandon() {
    for (const actor of this.#actors) actor.abandon();
  }
}

/** @param {Words} words */
function isIn(line, words) {
  return typeof words === "string" ? line.includes(words) : words.test(line);
}

/**
 * Ports on loopback that nobody listens on.
 * @param {number} count
 */
export async function freePorts(count) {
  const held = [];
  try {
    while (held.length < count) {
      const server = createServer();
      server.listen(randomInt(PORTS.from, PORTS.to), "127.0.0.1");
      try {
        await once(server, "listening");
        held.push(server);
      } catch {
        // Somebody has it.
      }
    }
    return held.map(
      (server) => /** @type {import("node:net").AddressInfo} */ (server.address()).port,
    );
  } finally {
    await Promise.all(held.map((server) => once(server.close(), "close")));
  }
}

/**
 * Plays a scene to its end. Rejects when something that must appear does not, or when a process
 * does not end in order.
 * @param {{ name: string, play: (stage: Stage) => Promise<void> }} scene
 * @param {(line: string) => void} print
 */
export async function playScene(scene, print) {
  const stage = new Stage(print);
  const abandon = () => stage.abandon();
  process.on("exit", abandon);
  try {
    await scene.play(stage);
    await stage.finish();
  } finally {
    await stage.clear();
    process.off("exit", abandon);
  }
}
