/** `mesh kv` as typed at a terminal, against real doors. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type KeyValueHome, keyValueHome } from "../../../client/src/testing/key-value-home.js";
import { createCli } from "../cli.js";
import { runCli } from "../run.js";
import { seemsToRun } from "../testing/running-node.js";

let home: KeyValueHome;
let directory: string;

beforeAll(async () => {
  home = await keyValueHome(memoryStore({ clock: systemClock() }));
  directory = await mkdtemp(join(tmpdir(), "mesh-kv-"));
  await seemsToRun(directory, home.url);
});
afterAll(async () => {
  await home.close();
  await rm(directory, { recursive: true });
});

interface Run {
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  readonly onOutput?: (text: string) => void;
}

async function run(args: readonly string[], { input, signal, onOutput }: Run = {}) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(input ?? "");
  const pieces: Buffer[] = [];
  stdout.on("data", (piece: Buffer) => {
    pieces.push(piece);
    onOutput?.(String(Buffer.concat(pieces)));
  });
  const cli = createCli({
    env: { MESH_HOME: directory },
    cwd: directory,
    streams: { stdin, stdout, stderr },
    clock: systemClock(),
    random: systemRandom(),
    signal: signal ?? new AbortController().signal,
  });
  const status = await runCli(cli, args);
  const bytes = Buffer.concat(pieces);
  return { status, out: String(bytes), bytes, err: String(stderr.read() ?? "") };
}

const kv = (line: string, more?: Run) => run(["kv", ...line.split(" ")], more);
const json = async (line: string) => JSON.parse((await kv(`${line} --json`)).out);

describe("mesh kv put, get and del", () => {
  it("writes from the command line, from standard input and from a file", async () => {
    const said = await kv("put app/colour green");
    expect(said).toMatchObject({ status: 0, out: "" });
    expect(said.err).toMatch(/^Wrote app\/colour \(5 bytes\)\. Its ETag is \d+\.\n$/);
    expect(await kv("get app/colour")).toMatchObject({ status: 0, out: "green", err: "" });
    const secret = Buffer.from([0, 255, 10, 13, 7]);
    expect(await kv("put app/secret - -q", { input: secret })).toMatchObject({ err: "" });
    expect((await kv("get app/secret")).bytes.equals(secret)).toBe(true);
    await writeFile(join(directory, "config.yaml"), "size: 3\n");
    await kv("put app/config --file config.yaml");
    await kv("get app/config -o copy.yaml");
    expect(await readFile(join(directory, "copy.yaml"), "utf8")).toBe("size: 3\n");
    expect(await json("get app/config")).toMatchObject({ value: "size: 3\n", version: 1 });
    expect(await json("get app/secret")).toMatchObject({ valueBase64: "AP8KDQc=" });
  });

  it("writes under conditions and ends with status 5 when they do not hold", async () => {
    const { etag } = await json("put c/key 1 --if-absent");
    const taken = await kv("put c/key 2 --if-absent");
    expect(taken).toMatchObject({ status: 5, out: "" });
    expect(taken.err).toContain("code: MESH_KV_CHANGED");
    expect((await kv(`put c/key 2 --if-match ${etag}`)).status).toBe(0);
    expect((await kv(`put c/key 3 --if-match "${etag}"`)).status).toBe(5);
    expect((await kv(`del c/key --if-match ${etag}`)).status).toBe(5);
    expect(await kv(`get c/key --revision ${etag}`)).toMatchObject({ out: "1" });
    expect(await kv("del c/key")).toMatchObject({ status: 0, out: "Deleted 1 key.\n" });
    expect((await kv("del c/key")).status).toBe(3);
    const gone = await kv("get c/key");
    expect(gone).toMatchObject({ status: 3, out: "" });
    expect(gone.err).toMatch(/^error: there is no key "c\/key"\n {2}hint: .*mesh kv list/);
    expect(await json("put c/short x --ttl 30s")).toMatchObject({ leaseId: expect.any(Number) });
  });

  it("says what is wrong with what was typed", async () => {
    const wrong = [
      "put a",
      "put a b --file c",
      "put a b --if-match 1 --if-absent",
      "put a b --ttl 3s --lease 1",
      "put a b --ttl soon",
      "put a b --fence lock",
      "get a --revision x",
      "del a/ --prefix --if-match 1",
      "watch a/ --count 0",
      "list --limit -1",
    ];
    for (const line of wrong) {
      const { status, out, err } = await kv(line);
      expect({ line, status, out }).toEqual({ line, status: 2, out: "" });
      expect(err).toContain("code: MESH_BAD_REQUEST");
    }
    const large = await kv("put a -", { input: Buffer.alloc((1 << 20) + 1) });
    expect(large).toMatchObject({ status: 7, out: "" });
    expect((await kv("put a --file nothing.txt")).status).toBe(3);
    expect((await kv("put locks/a b")).err).toMatch(/a lock is taken, not written/);
    expect((await kv("put --help")).out).toMatch(/a secret goes through - or\s+--file/);
  });
});

describe("mesh kv list", () => {
  it("shows keys with the beginning of their values, or keys alone, or JSON", async () => {
    await kv("put list/a one");
    await kv(`put list/b ${"x".repeat(200)}`);
    await kv("put list/c -", { input: Buffer.from([0, 200]) });
    const { out } = await kv("list list/");
    expect(out).toBe(`list/a  one\nlist/b  ${"x".repeat(80)}…\nlist/c  (2 bytes)\n`);
    expect((await kv("list list/ --keys-only --limit 2")).out).toBe("list/a\nlist/b\n");
    expect((await json("list list/")).map((one: { key: string }) => one.key)).toHaveLength(3);
    expect(await json("list nothing/")).toEqual([]);
    expect(await kv("list nothing/")).toMatchObject({ out: "", err: "No keys.\n" });
    expect((await kv("del --prefix list/")).out).toBe("Deleted 3 keys.\n");
  });
});

describe("mesh kv watch", () => {
  it("prints each change on a line, from the past on, and ends after its count", async () => {
    const first = await json("put watch/a 1");
    await kv("put watch/a 2");
    await kv("del watch/a");
    const from = `watch/ --from ${first.revision} --count 3`;
    const { out } = await kv(`watch ${from}`);
    expect(out.replace(/^\d+ /gm, "")).toBe(
      "put    watch/a  1\nput    watch/a  2\ndelete watch/a\n",
    );
    const lines = (await kv(`watch ${from} --json`)).out.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { type: "put", key: "watch/a", value: "1", revision: first.revision },
      { type: "put", value: "2" },
      { type: "delete", key: "watch/a" },
    ]);
    expect((await kv(`watch ${from} --keys-only`)).out).not.toContain("  1");
    expect((await kv(`watch watch --prefix --from ${first.revision} --count 1`)).status).toBe(0);
  });

  it("ends cleanly with Ctrl-C", async () => {
    const stop = new AbortController();
    const { revision } = await json("put stop/a 1");
    const line = `watch stop/a --from ${revision}`;
    const onOutput = () => stop.abort();
    const ended = await kv(line, { signal: stop.signal, onOutput });
    expect(ended).toMatchObject({ status: 130, err: "" });
  });
});

describe("mesh kv txn", () => {
  it("reads its form from standard input or a file, and prints what it read", async () => {
    const without =
      '"if": [{ "key": "txn/leader", "exists": false }],' +
      '"then": [{ "put": "txn/leader", "value": "attic" }, { "get": "txn/leader" }]';
    const input = `{${without}, "else": [{ "get": "txn/leader" }]}`;
    const done = await kv("txn", { input });
    expect(done.status).toBe(0);
    expect(done.out).toMatch(/^then, at revision \d+\nput\nget txn\/leader {2}attic\n$/);
    await writeFile(join(directory, "form.json"), input);
    const second = await kv("txn form.json --json");
    expect(JSON.parse(second.out)).toMatchObject({
      succeeded: false,
      results: [{ type: "get", entry: { key: "txn/leader", value: "attic" } }],
    });
    expect(second.status).toBe(0);
    const refused = await kv("txn -", { input: `{${without}}` });
    expect(refused).toMatchObject({ status: 5, out: expect.stringMatching(/^else, at/) });
    expect(refused.err).toContain("code: MESH_KV_CHANGED");
    expect((await kv("txn", { input: "{" })).status).toBe(2);
  });
});
