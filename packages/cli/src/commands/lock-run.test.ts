/** `mesh lock` as typed at a terminal, against real doors, with real commands. */
import { EventEmitter } from "node:events";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LockClient } from "../../../client/src/index.js";
import { type KeyValueHome, keyValueHome } from "../../../client/src/testing/key-value-home.js";
import { createCli } from "../cli.js";
import { ExitStatus } from "../exit-status.js";
import { runCli } from "../run.js";
import { seemsToRun } from "../testing/running-node.js";
import { lockRunCommand } from "./lock-run.js";

let home: KeyValueHome;
let locks: LockClient;
let directory: string;

beforeAll(async () => {
  home = await keyValueHome(memoryStore({ clock: systemClock() }));
  const [clock, random] = [systemClock(), systemRandom()];
  locks = new LockClient({ door: home.operator(), clock, random });
  directory = await mkdtemp(join(tmpdir(), "mesh-lock-"));
  await seemsToRun(directory, home.url);
});
afterAll(async () => {
  await home.close();
  await rm(directory, { recursive: true });
});

function terminal(input = "") {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(input);
  const cli = createCli({
    env: { MESH_HOME: directory, PATH: process.env.PATH },
    cwd: directory,
    streams: { stdin, stdout, stderr },
    clock: systemClock(),
    random: systemRandom(),
    signal: new AbortController().signal,
  });
  const texts = () => ({ out: String(stdout.read() ?? ""), err: String(stderr.read() ?? "") });
  return { cli, stdout, texts };
}

async function run(args: readonly string[], input?: string) {
  const { cli, texts } = terminal(input);
  const status = await runCli(cli, args);
  return { status, ...texts() };
}

/** Like `run`, with signals that the test sends. */
function start(args: readonly string[]) {
  const { cli, stdout, texts } = terminal();
  const signals = new EventEmitter();
  const ended = lockRunCommand(cli, signals)
    .exitOverride()
    .parseAsync(args, { from: "user" })
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  const send = (signal: NodeJS.Signals) => signals.emit(signal, signal);
  const said = () =>
    new Promise<void>((resolve) => {
      stdout.once("readable", () => resolve());
    });
  return { ended, send, said, texts, signals };
}

const isThere = (name: string) =>
  access(join(directory, name)).then(
    () => true,
    () => false,
  );

describe("mesh lock run", () => {
  it("runs the command with the lock in its environment, and passes its status on", async () => {
    const script = 'cat; echo "$MESH_LOCK_NAME $MESH_LOCK_TOKEN"; echo oops >&2; exit 7';
    const done = await run(["lock", "run", "a/lock", "--", "sh", "-c", script], "input\n");
    expect(done).toMatchObject({ status: 7, err: "oops\n" });
    expect(done.out).toMatch(/^input\na\/lock \d+\n$/);
    expect((await locks.inspect("a/lock")).held).toBeNull();
    const args = ["lock", "run", "a/lock", "--json", "--", "true"];
    const good = await run(args);
    expect(good.status).toBe(0);
    expect(JSON.parse(good.err)).toMatchObject({
      name: "a/lock",
      exitStatus: 0,
      lost: false,
      released: true,
    });
    const killed = await run(["lock", "run", "a/lock", "--", "sh", "-c", "kill -KILL $$"]);
    expect(killed.status).toBe(137);
    const missing = await run(["lock", "run", "a/lock", "--", "no-such-command-at-all"]);
    expect(missing).toMatchObject({
      status: 2,
      err: expect.stringContaining("no-such-command-at-all: there is no such command"),
    });
    expect((await locks.inspect("a/lock")).held).toBeNull();
  });

  it("waits for the lock, or not at all", async () => {
    const held = await locks.acquire("b/lock", { holder: "attic" });
    const refused = await run(["lock", "run", "b/lock", "--no-wait", "--", "touch", "b"]);
    expect(refused).toMatchObject({ status: 5, out: "" });
    expect(refused.err).toContain("code: MESH_LOCK_TAKEN");
    expect(await isThere("b")).toBe(false);
    const waiting = run(["lock", "run", "b/lock", "--wait", "1m", "--", "echo", "got it"]);
    while ((await locks.inspect("b/lock")).waiting === 0) await new Promise(setImmediate);
    await held.release();
    expect(await waiting).toMatchObject({
      status: 0,
      out: "got it\n",
      err: "Waiting for the lock b/lock, held by attic.\n",
    });
    const other = await locks.acquire("b/lock");
    const impatient = start(["b/lock", "--", "touch", "b"]);
    while ((await locks.inspect("b/lock")).waiting === 0) await new Promise(setImmediate);
    impatient.send("SIGTERM");
    expect(await impatient.ended).toMatchObject({ status: 143 });
    while ((await locks.inspect("b/lock")).waiting > 0) await new Promise(setImmediate);
    await other.release();
    expect(await isThere("b")).toBe(false);
  });

  it("passes signals on to the command, and releases when it has ended", async () => {
    const script = "trap 'echo ended by INT; exit 3' INT; echo ready; while :; do sleep 0.05; done";
    const trapping = start(["c/lock", "--", "sh", "-c", script]);
    await trapping.said();
    trapping.send("SIGINT");
    expect(await trapping.ended).toMatchObject({ status: 3 });
    expect(trapping.texts().out).toBe("ready\nended by INT\n");
    expect((await locks.inspect("c/lock")).held).toBeNull();
    const plain = start(["c/lock", "--", "sh", "-c", "echo ready; sleep 600 & wait"]);
    await plain.said();
    plain.send("SIGTERM");
    expect(await plain.ended).toBeInstanceOf(ExitStatus);
    expect(await plain.ended).toMatchObject({ status: 143 });
    expect(plain.signals.eventNames()).toEqual([]);
    expect((await locks.inspect("c/lock")).held).toBeNull();
  });

  it("ends the command, with all that it started, when the lock is lost", async () => {
    const stubborn =
      "trap '' TERM; (trap '' TERM; while :; do sleep 0.05; done) & echo $! > child; " +
      "echo $$; while :; do sleep 0.05; done";
    const options = ["--ttl", "4s", "--kill-after", "200ms"];
    const job = start(["d/lock", ...options, "--", "sh", "-c", stubborn]);
    await job.said();
    const { held } = await locks.inspect("d/lock");
    await locks.release("d/lock", held!.token);
    expect(await job.ended).toMatchObject({ code: "MESH_LOCK_LOST", exitCode: 5 });
    const { out, err } = job.texts();
    expect(err).toContain("The lock d/lock was lost; the command is ended.");
    const child = await readFile(join(directory, "child"), "utf8");
    for (const pid of [Number(out), Number(child)]) {
      while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
});

/** A process that has ended and that nobody has collected yet counts as ended. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("mesh lock list and release", () => {
  it("shows who holds what, and ends a hold", async () => {
    expect(await run(["lock", "list"])).toMatchObject({ out: "No lock is held.\n" });
    const lock = await locks.acquire("e/lock", { holder: "attic" });
    const { out } = await run(["lock", "list", "e/"]);
    expect(out).toMatch(new RegExp(`e/lock\\s+${lock.token}\\s+attic\\s+coordinator/home\\s`));
    const listed = JSON.parse((await run(["lock", "list", "--json"])).out);
    expect(listed.locks).toMatchObject([{ name: "e/lock", held: { token: lock.token } }]);
    const late = await run(["lock", "release", "e/lock", "--token", String(lock.token + 1)]);
    expect(late.status).toBe(5);
    const released = await run(["lock", "release", "e/lock"]);
    expect(released.out).toContain(`Released e/lock (token ${lock.token})`);
    expect((await run(["lock", "release", "e/lock"])).status).toBe(3);
    await expect(lock.release()).rejects.toMatchObject({ code: "MESH_LOCK_LOST" });
  });
});
