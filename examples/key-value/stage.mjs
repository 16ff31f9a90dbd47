/** Runs a scene of the examples with a member of its own, and leaves nothing behind. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { freePortBase } from "../../scripts/free-ports.mjs";
import { MeshProcess, meshOk } from "../../scripts/mesh-processes.mjs";

/** For one line of output or one end; only a broken example needs it all. */
const PATIENCE_MS = 20_000;

class Stage {
  #node;
  #print;
  /** @type {import("node:child_process").ChildProcess[]} */
  #children = [];

  constructor(node, print) {
    this.#node = node;
    this.#print = print;
  }

  /**
   * One command of the CLI, such as `kv get KEY`; returns what it prints.
   * @param {string[]} args
   */
  async mesh(...args) {
    this.#print(`$ mesh ${args.join(" ")}`);
    const out = (await meshOk(this.#node.home, args)).trim();
    if (out !== "") this.#print(out);
    return out;
  }

  /** Starts an example by the name of its file. */
  start(name, example) {
    const path = fileURLToPath(new URL(`dist/${example}.js`, import.meta.url));
    const env = { ...process.env, MESH_URL: this.#node.httpUrl, MESH_NAME: name };
    const child = spawn(process.execPath, [path], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#children.push(child);
    const lines = [];
    const waiting = new Set();
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.#print(line);
        lines.push(line);
        for (const check of waiting) check();
      });
    }
    const ended = new Promise((resolve) => child.once("close", (code) => resolve(code)));
    return {
      says: (words) =>
        inTime(`${name} says ${words}`, (resolve) => {
          const check = () => lines.some((line) => line.includes(words)) && resolve(undefined);
          waiting.add(check);
          check();
        }),
      ends: async (signal) => {
        if (signal !== undefined) child.kill(signal);
        const code = await inTime(`the end of ${name}`, (resolve) => ended.then(resolve));
        if (code !== 0) throw new Error(`${name} ended with ${code}`);
      },
    };
  }

  clear() {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

function inTime(what, start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), PATIENCE_MS);
    start((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

/**
 * @param {{ name: string, play: (stage: Stage) => Promise<void> }} scene
 * @param {(line: string) => void} print
 */
export async function playScene(scene, print) {
  const home = mkdtempSync(join(tmpdir(), "hearthmesh-example-"));
  const portBase = await freePortBase(1);
  const args = ["up", "--port-base", String(portBase)];
  const node = new MeshProcess({ name: "home", home, portBase, args });
  const stage = new Stage(node, print);
  try {
    node.start();
    await node.ready();
    await scene.play(stage);
  } finally {
    stage.clear();
    await node.kill("SIGTERM");
    rmSync(home, { recursive: true, force: true });
  }
}
