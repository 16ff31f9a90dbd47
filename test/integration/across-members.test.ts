/**
 * Two homes as real processes: what guide 5 lists as limitations 1 and 3 works. Alice's operator
 * and one of her people use Bob's files, straight and through her coordinator; cuts leave nothing
 * half done; a peer that was removed is out at once.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FederationMember, FederationProcesses } from "../../scripts/federation-processes.mjs";
import { mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-across-"));
const dora = join(folder, "dora");
const local = (name: string) => join(folder, name);
const firewall = fileURLToPath(new URL("../support/port-firewall.mjs", import.meta.url));
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const film = randomBytes((5 << 20) + 17);

let federation: FederationProcesses;
let alice: FederationMember;
let bob: FederationMember;
const atAlice = (...args: string[]) => meshOk(alice.coordinator.home, args);
const atBob = (...args: string[]) => meshOk(bob.coordinator.home, args);
const asDora = (...args: string[]) => meshOk(dora, args);
const contentUrl = (path: string) => `${alice.coordinator.httpUrl}/api/files/content?path=${path}`;

/** Ports of a member: links of its coordinator and nodes, and its API. */
const linkPort = ({ portBase }: { portBase: number }) => 9000 + portBase;
const apiPort = ({ portBase }: { portBase: number }) => 8001 + portBase;

/** Runs work whose programs cannot dial these ports; gives the ports that they dialled. */
async function behindFirewall(ports: number[], work: () => Promise<void>): Promise<Set<number>> {
  const dialled = local(`dialled-${randomBytes(4).toString("hex")}`);
  writeFileSync(dialled, "");
  const variables = {
    NODE_OPTIONS: `--import ${firewall}`,
    TEST_BLOCKED_PORTS: ports.join(","),
    TEST_DIALLED: dialled,
  };
  Object.assign(process.env, variables);
  try {
    await work();
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
  }
  return new Set(readFileSync(dialled, "utf8").split("\n").map(Number));
}

async function roundTrip(name: string): Promise<void> {
  const path = `/@bob/garage/${name}`;
  await asDora("write", path, local("film"));
  await asDora("read", path, "-o", local("out"));
  expect(sha(readFileSync(local("out")))).toBe(sha(film));
}

/** The operator over HTTP, which costs no new process. */
async function codeAt(path: string): Promise<unknown> {
  const answer = await fetch(`${alice.coordinator.httpUrl}/api/files/stat?path=${path}`);
  return ((await answer.json()) as { code?: string }).code;
}

beforeAll(async () => {
  federation = await FederationProcesses.start({ folder, nodes: [1, 1] });
  [alice, bob] = [federation.member("alice"), federation.member("bob")];
  writeFileSync(local("film"), film);
  mkdirSync(dora);
  const generate = ["invite", "generate", "--grant", "/shared:read+write", "--json"];
  const { code } = JSON.parse(await atAlice(...generate)) as { code: string };
  await asDora("identity", "init", "--global-id", "dora@home.alice");
  await meshOk(dora, ["invite", "redeem", "-"], { input: code });
  await atBob("mkdir", "/garage");
}, 180_000);

afterAll(async () => {
  await federation?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("two homes", () => {
  it("become peers, and both operators see the same words", async () => {
    const { code } = JSON.parse(await atBob("peer", "invite", "--json")) as { code: string };
    await atAlice("peer", "accept", code);
    const wordsAt = async (at: typeof atAlice) => {
      const { peers } = JSON.parse(await at("peer", "list", "--json")) as {
        peers: { alias: string; words: string }[];
      };
      return peers.map(({ words }) => words);
    };
    expect(await wordsAt(atAlice)).toEqual(await wordsAt(atBob));
    expect(await asDora("ls", "/@")).toBe("@bob/\n");
  });

  it("show nothing of each other without a grant", async () => {
    const refused = await mesh(dora, ["ls", "/@bob/garage"]);
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining("error: bob: ")]);
    expect(await codeAt("/@bob/garage")).toBe("MESH_FORBIDDEN");
    await atBob("grant", "add", "dora@home.alice", "/garage:read+write+delete");
    await atBob("grant", "add", "operator@home.alice", "/garage:read+write");
  });
});

describe("a person of Alice", () => {
  it("goes straight to Bob's coordinator and storage nodes", async () => {
    const dialled = await behindFirewall([], () => roundTrip("straight"));
    expect(dialled).toContain(linkPort(bob.coordinator));
    expect(dialled).toContain(linkPort(bob.nodes[0]!));
    expect(dialled).not.toContain(apiPort(bob.coordinator));
    const range = ["--range", "1048570-1048999", "-o", local("part")];
    await asDora("read", "/@bob/garage/straight", ...range);
    expect(sha(readFileSync(local("part")))).toBe(sha(film.subarray(1_048_570, 1_049_000)));
  });

  it("goes by Bob's coordinator when his storage node stands behind a router", async () => {
    const blocked = [linkPort(bob.nodes[0]!)];
    const dialled = await behindFirewall(blocked, () => roundTrip("relayed"));
    expect(dialled).not.toContain(apiPort(bob.coordinator));
  });

  it("goes by Bob's API when no link can be made", async () => {
    const dialled = await behindFirewall(bob.containers.map(linkPort), () => roundTrip("api"));
    expect(dialled).toContain(apiPort(bob.coordinator));
  });

  it("goes through Alice's coordinator when nothing of Bob can be reached", async () => {
    const blocked = [...bob.containers.map(linkPort), apiPort(bob.coordinator)];
    await behindFirewall(blocked, () => roundTrip("home"));
    const { owner } = JSON.parse(await atBob("stat", "/garage/home", "--json")) as {
      owner: string;
    };
    expect(owner).toBe("spiffe://home.alice/person/dora@home.alice");
  });

  it("takes whole directories there and back, and removes them", async () => {
    mkdirSync(local("tree/inner"), { recursive: true });
    for (const name of ["a", "inner/b"]) writeFileSync(local(`tree/${name}`), name);
    await asDora("write", "-r", "/@bob/garage/tree", local("tree"));
    await asDora("read", "-r", "/@garage.bob/garage/tree", "-o", local("tree-back"));
    const names = readdirSync(local("tree-back"), { recursive: true }) as string[];
    expect(names.sort()).toEqual(["a", "inner", "inner/b"]);
    await asDora("rm", "-r", "/@bob/garage/tree");
    expect(await codeAt("/@bob/garage/tree")).toBe("MESH_PATH_NOT_FOUND");
  });

  it("is told in words what does not go", async () => {
    const across = await mesh(dora, ["mv", "/@bob/garage/api", "/shared/api"]);
    expect(across.stderr).toContain("MESH_ACROSS_MEMBERS");
    const unknown = await mesh(dora, ["ls", "/@carol/office"]);
    expect(unknown.stderr).toContain("MESH_PEER_UNKNOWN");
    expect(await codeAt("/@carol/office")).toBe("MESH_PEER_UNKNOWN");
    expect(await codeAt("/@bob/garage/../attic")).toBe("MESH_PATH_INVALID");
  });
});

describe("Alice's operator", () => {
  it("plays a film at Bob's over HTTP, from any place in it", async () => {
    const whole = await fetch(contentUrl("/@bob/garage/home"));
    expect(sha(Buffer.from(await whole.arrayBuffer()))).toBe(sha(film));
    const range = { headers: { range: "bytes=2000000-2000999" } };
    const part = await fetch(contentUrl("/@bob/garage/home"), range);
    expect([part.status, part.headers.get("content-range")]).toEqual([
      206,
      `bytes 2000000-2000999/${film.length}`,
    ]);
    expect(sha(Buffer.from(await part.arrayBuffer()))).toBe(sha(film.subarray(2e6, 2_001_000)));
  });

  it("overwrites only what has not changed", async () => {
    const put = (headers: Record<string, string>, body: string) =>
      fetch(contentUrl("/@bob/garage/note"), { method: "PUT", headers, body });
    const { entry } = (await (await put({ "if-none-match": "*" }, "one")).json()) as {
      entry: { etag: string; path: string };
    };
    expect(entry.path).toBe("/@bob/garage/note");
    expect((await put({ "if-none-match": "*" }, "two")).status).toBe(412);
    expect((await put({ "if-match": `"${entry.etag}"` }, "three")).ok).toBe(true);
    expect((await put({ "if-match": `"${entry.etag}"` }, "four")).status).toBe(412);
    expect(await (await fetch(contentUrl("/@bob/garage/note"))).text()).toBe("three");
    const page = await fetch(
      `${alice.coordinator.httpUrl}/api/files/list?path=/@bob/garage&limit=1&after=api`,
    );
    expect(await page.json()).toMatchObject({
      entries: [{ path: "/@bob/garage/home" }],
      more: true,
    });
    const refused = await mesh(alice.coordinator.home, ["rm", "/@bob/garage/note"]);
    expect(refused.stderr).toMatch(/bob: .*MESH_FORBIDDEN/s);
  });
});

describe("a quota that Bob offers", () => {
  it("holds people and programs of Alice to it, and the refusal says whose it is", async () => {
    await atBob("quota", "offer", "alice", "24MB");
    const refused = await mesh(dora, ["write", "/@bob/garage/more", local("film")]);
    expect([refused.code, refused.stderr]).toEqual([
      7,
      expect.stringMatching(/home\.alice has used .* that garage\.bob offers it.*MESH_QUOTA/s),
    ]);
    const body = Uint8Array.from(film);
    const overHttp = await fetch(contentUrl("/@bob/garage/more"), { method: "PUT", body });
    expect([overHttp.status, await overHttp.json()]).toEqual([
      507,
      expect.objectContaining({ code: "MESH_QUOTA" }),
    ]);
    expect(await codeAt("/@bob/garage/more")).toBe("MESH_PATH_NOT_FOUND");
    const { given } = JSON.parse(await atBob("quota", "list", "--json")) as {
      given: { trustDomain: string; usedBytes: number }[];
    };
    expect(given).toMatchObject([{ trustDomain: "home.alice" }]);
    expect(given[0]?.usedBytes).toBeGreaterThanOrEqual(4 * film.length);
    await atBob("quota", "offer", "alice", "1GB");
  });
});

describe("faults", () => {
  it("a cut in the middle of a write leaves nothing half visible, and a retry works", async () => {
    let left = 48;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (left === 40) await bob.coordinator.kill("SIGKILL");
        if (left-- === 0) controller.close();
        else controller.enqueue(randomBytes(1 << 20));
      },
    });
    const url = contentUrl("/@bob/garage/cut");
    const options = { method: "PUT", body, duplex: "half" } as RequestInit;
    const answer = await fetch(url, options);
    expect([answer.status >= 500, await answer.json()]).toEqual([
      true,
      expect.objectContaining({ detail: expect.stringMatching(/^bob: /) }),
    ]);
    bob.coordinator.start();
    await federation.ready();
    expect(await codeAt("/@bob/garage/cut")).toBe("MESH_PATH_NOT_FOUND");
    await atAlice("write", "/@bob/garage/cut", local("film"));
    await asDora("read", "/@bob/garage/cut", "-o", local("out"));
    expect(sha(readFileSync(local("out")))).toBe(sha(film));
  });

  it("a peer that is removed is out at once, in the middle of a read", async () => {
    writeFileSync(local("long"), randomBytes(64 << 20));
    await atBob("write", "/garage/long", local("long"));
    const answer = await fetch(contentUrl("/@bob/garage/long"));
    const reader = answer.body?.getReader();
    await reader?.read();
    await atBob("peer", "remove", "alice");
    const rest = async () => {
      let bytes = 0;
      for (;;) {
        const next = await reader?.read();
        if (next === undefined || next.done) return bytes;
        bytes += next.value.length;
      }
    };
    await expect(rest()).rejects.toThrow();
    const out = await mesh(dora, ["ls", "/@bob/garage"]);
    expect(out.stderr).toMatch(/MESH_(CERT_UNTRUSTED|PEER_UNKNOWN|UNREACHABLE)/);
    expect(await codeAt("/@bob/garage")).toMatch(/CERT_UNTRUSTED|PEER_UNKNOWN|UNREACHABLE/);
  });
});
