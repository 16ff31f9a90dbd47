/** The workloads and checkers against a mesh that works, and against ones that break promises. */
import { MeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { runGrantWorkload } from "../grant-workload.js";
import type { MeshClient } from "../mesh-client.js";
import { RegisterWorkload } from "../register-workload.js";
import { seededRandom } from "../seeded-random.js";
import { createTrace } from "../trace.js";
import { TreeWorkload } from "../tree-workload.js";
import { Violations } from "../violations.js";
import { virtualClock } from "../virtual-clock.js";
import { checkRegister } from "./register-checker.js";
import { missingReplicas, type ReplicaView } from "./replica-checker.js";
import { checkTree } from "./tree-checker.js";

const notFound = () => new MeshError("MESH_PATH_NOT_FOUND");

/** A mesh in a map: right by being simple. */
class PlainMesh {
  readonly files = new Map<string, Uint8Array>();
  readonly directories = new Set<string>();

  client(name: string): MeshClient {
    const { files, directories } = this;
    const below = (path: string) => [...files.keys()].filter((one) => one.startsWith(`${path}/`));
    const dirsBelow = (path: string) =>
      [...directories].filter((one) => one === path || one.startsWith(`${path}/`));
    return {
      name,
      write: async (path, bytes) => void files.set(path, bytes.slice()),
      read: async (path, range) => {
        const bytes = files.get(path);
        if (bytes === undefined) throw notFound();
        return range === undefined ? bytes : bytes.subarray(range.start, range.endInclusive + 1);
      },
      list: async (path) => {
        const all = [...files.keys(), ...[...directories].map((one) => `${one}/`)];
        const names = all
          .filter((one) => one.startsWith(`${path}/`))
          .map((one) => one.slice(path.length + 1));
        return names.filter((one) => /^[^/]+\/?$/.test(one)).sort();
      },
      stat: async (path) => {
        if (directories.has(path)) return { kind: "directory", sizeBytes: 0 };
        const bytes = files.get(path);
        if (bytes === undefined) throw notFound();
        return { kind: "file", sizeBytes: bytes.length };
      },
      makeDirectory: async (path) => void directories.add(path),
      move: async (from, to) => {
        for (const path of [from, ...below(from)]) {
          const bytes = files.get(path);
          if (bytes === undefined) continue;
          files.set(to + path.slice(from.length), bytes);
          files.delete(path);
        }
        for (const path of dirsBelow(from)) {
          directories.delete(path);
          directories.add(to + path.slice(from.length));
        }
      },
      remove: async (path) => {
        for (const one of [path, ...below(path)]) files.delete(one);
        for (const one of dirsBelow(path)) directories.delete(one);
      },
    };
  }
}

async function runTree(change: (client: MeshClient) => Partial<MeshClient>, faultsExpected = true) {
  const clock = virtualClock({ startMs: 0 });
  const trace = createTrace({ clock });
  const violations = new Violations(trace);
  const mesh = new PlainMesh();
  mesh.directories.add("/home");
  const good = mesh.client("alice");
  const client = { ...good, ...change(good) };
  const workload = new TreeWorkload({
    client,
    clock,
    trace,
    violations,
    random: seededRandom("tree"),
    root: "/home",
    operations: 300,
    fileBytesMax: 10_000,
    contents: [],
    faultsExpected,
  });
  await clock.runUntilSettled(workload.run(), 10_000_000);
  const final = await checkTree(good, workload.model);
  return { during: violations.list, final, workload };
}

describe("the tree workload and its checker", () => {
  it("find nothing wrong with a mesh that works", async () => {
    const { during, final, workload } = await runTree(() => ({}), false);
    expect([...during, ...final]).toEqual([]);
    expect(workload.succeeded).toBeGreaterThan(200);
  });

  it("accept that an operation without an answer happened or not", async () => {
    let count = 0;
    const lossy = (good: MeshClient): Partial<MeshClient> => ({
      write: async (path, bytes) => {
        count++;
        if (count % 7 !== 0) await good.write(path, bytes);
        if (count % 7 === 0 || count % 5 === 0) throw new MeshError("MESH_TIMEOUT");
      },
      move: async (from, to) => {
        if (count++ % 2 === 0) await good.move(from, to);
        throw new MeshError("MESH_UNREACHABLE");
      },
    });
    const { during, final, workload } = await runTree(lossy);
    expect([...during, ...final]).toEqual([]);
    expect(workload.model.unknownGroups.length).toBeGreaterThan(5);
  });

  it("find a lost write, a damaged one, and a file that came back", async () => {
    let count = 0;
    const losing = await runTree((good) => ({
      write: (path, bytes) => (count++ % 20 === 19 ? Promise.resolve() : good.write(path, bytes)),
    }));
    expect([...losing.during, ...losing.final].join()).toMatch(/gone|NOT_FOUND|wrong|should be/);
    const damaging = await runTree((good) => ({
      read: async (path, range) => {
        const bytes = (await good.read(path, range)).slice();
        if (bytes.length > 5000) bytes[0] = (bytes[0] ?? 0) ^ 1;
        return bytes;
      },
    }));
    expect(damaging.during.join()).toContain("wrong bytes");
    const reviving = await runTree(() => ({ remove: async () => undefined }));
    expect([...reviving.during, ...reviving.final].join()).toMatch(/has .* too/);
  });

  it("call an error that means a bug a violation, with and without faults", async () => {
    const broken = { list: () => Promise.reject(new MeshError("MESH_INTERNAL")) };
    expect((await runTree(() => broken)).during.join()).toContain("MESH_INTERNAL");
    const away = { list: () => Promise.reject(new MeshError("MESH_UNREACHABLE")) };
    expect((await runTree(() => away)).during).toEqual([]);
    expect((await runTree(() => away, false)).during.join()).toContain("MESH_UNREACHABLE");
  });
});

describe("the register workload and its checker", () => {
  async function runRegisters(change: (client: MeshClient) => Partial<MeshClient>) {
    const clock = virtualClock({ startMs: 0 });
    const trace = createTrace({ clock });
    const violations = new Violations(trace);
    const registers = new RegisterWorkload({
      clock,
      trace,
      violations,
      paths: ["/s/1", "/s/2"],
      sizesBytes: [100, 5000],
      faultsExpected: true,
    });
    const mesh = new PlainMesh();
    const clients = ["alice", "bob"].map((name) => {
      const good = mesh.client(name);
      return { ...good, ...change(good) };
    });
    const work = clients.map((client) => registers.run(client, seededRandom(client.name), 100));
    await clock.runUntilSettled(Promise.all(work), 10_000_000);
    return [...violations.list, ...registers.histories.flatMap(checkRegister)];
  }

  it("find nothing wrong with a mesh that works", async () => {
    expect(await runRegisters(() => ({}))).toEqual([]);
  });

  it("find stale reads and mixtures", async () => {
    const cache = new Map<string, Uint8Array>();
    const stale = await runRegisters((good) => ({
      read: async (path) => {
        const bytes = cache.get(path) ?? (await good.read(path));
        cache.set(path, bytes);
        return bytes;
      },
    }));
    expect(stale.join()).toContain("had replaced it");
    const mixed = await runRegisters((good) => ({
      read: async (path) => {
        const bytes = (await good.read(path)).slice();
        bytes.fill(0, bytes.length - 10);
        return bytes;
      },
    }));
    expect(mixed.join()).toContain("a mixture");
  });
});

describe("the grant workload", () => {
  async function runIntruder(change: Partial<MeshClient>) {
    const clock = virtualClock({ startMs: 0 });
    const trace = createTrace({ clock });
    const violations = new Violations(trace);
    const refuse = () => Promise.reject(new MeshError("MESH_FORBIDDEN"));
    const client: MeshClient = {
      name: "mallory",
      ...{ write: refuse, read: refuse, list: refuse, stat: refuse },
      ...{ makeDirectory: refuse, move: refuse, remove: refuse },
      ...change,
    };
    const work = runGrantWorkload({
      client,
      clock,
      trace,
      violations,
      random: seededRandom("mallory"),
      operations: 60,
      forbidden: ["/home"],
      readOnly: "/media",
    });
    await clock.runUntilSettled(work, 10_000_000);
    return violations.list;
  }

  it("is content with refusals, and with nothing else", async () => {
    expect(await runIntruder({})).toEqual([]);
    expect((await runIntruder({ write: async () => undefined })).join()).toContain("was allowed");
    const telling = { read: () => Promise.reject(notFound()) };
    expect((await runIntruder(telling)).join()).toContain("MESH_PATH_NOT_FOUND");
  });
});

describe("the replica checker", () => {
  it("names chunks with too few copies and where they are", async () => {
    const view: ReplicaView = {
      wantedChunks: async () => ["a".repeat(64), "b".repeat(64)] as never,
      replicasWanted: () => 2,
      storageNodes: () => ["alpha", "beta"],
      hasChunk: (node, id) => node === "alpha" || id.startsWith("a"),
      damageOf: async () => undefined,
    };
    expect(await missingReplicas(view)).toEqual(["chunk bbbbbbbbbbbb: 1 of 2 copies (alpha)"]);
  });
});
