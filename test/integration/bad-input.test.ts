/**
 * Bad input, as a user meets it: the built commands against real daemons. Every case has its own
 * code, says what to do, ends with a status that is not zero, and leaves everything as it was.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeInvite, parseInvite } from "@hearthmesh/identity";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePortBase } from "../../scripts/free-ports.mjs";
import { MeshProcess, MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-bad-input-"));
const visitor = join(folder, "visitor");
let member: MeshProcesses;
let operator = "";

interface Invite {
  code: string;
  invite: { id: string };
}

async function invite(...flags: string[]): Promise<Invite> {
  return JSON.parse(await meshOk(operator, ["invite", "generate", "--json", ...flags])) as Invite;
}

let homes = 0;
function newHome(): string {
  const home = join(folder, `home-${++homes}`);
  mkdirSync(home);
  return home;
}

/** A person with a name of their own. */
async function newPerson(): Promise<string> {
  const home = newHome();
  await meshOk(home, ["identity", "init", "--global-id", `person-${homes}@demo.example`]);
  return home;
}

async function expectRefusal(
  home: string,
  args: string[],
  code: string,
  exit: number,
  input?: string,
): Promise<string> {
  const result = await mesh(home, args, input === undefined ? {} : { input });
  expect(`${result.stderr}`, args.join(" ")).toContain(code);
  expect(result.stderr, args.join(" ")).toMatch(/hint: /);
  expect(result.code, args.join(" ")).toBe(exit);
  return result.stderr;
}

beforeAll(async () => {
  member = await MeshProcesses.start({ folder, storageNodes: 2 });
  operator = member.coordinator.home;
  mkdirSync(visitor);
  await meshOk(visitor, ["identity", "init", "--global-id", "visitor@demo.example"]);
  const { code } = await invite("--grant", "/media:read");
  await meshOk(visitor, ["invite", "redeem", "-"], { input: code });
  await meshOk(operator, ["mkdir", "/media"]);
  await meshOk(operator, ["mkdir", "/shared"]);
  await meshOk(operator, ["write", "/media/film"], { input: "a film" });
});

afterAll(async () => {
  await member?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("invites", () => {
  it("used up", async () => {
    const { code } = await invite("--grant", "/media:read");
    await meshOk(await newPerson(), ["invite", "redeem", code]);
    await expectRefusal(await newPerson(), ["invite", "redeem", code], "MESH_INVITE_USED", 5);
  });

  it("expired", async () => {
    const { code } = await invite("--grant", "/media:read", "--validity", "1s");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await expectRefusal(await newPerson(), ["invite", "redeem", code], "MESH_INVITE_EXPIRED", 5);
  });

  it("revoked, and revoking what is not there is an error too", async () => {
    const { code } = await invite("--grant", "/media:read");
    await meshOk(operator, ["invite", "revoke", code]);
    await expectRefusal(await newPerson(), ["invite", "redeem", code], "MESH_INVITE_REVOKED", 5);
    await expectRefusal(operator, ["invite", "revoke", "aaaaaaaaaa"], "MESH_INVITE_UNKNOWN", 3);
  });

  it("mistyped, found before anything is sent", async () => {
    const { code } = await invite("--grant", "/media:read");
    const at = code.indexOf("@") - 9;
    const other = code[at] === "a" ? "b" : "a";
    const wrong = code.slice(0, at) + other + code.slice(at + 1);
    await expectRefusal(await newPerson(), ["invite", "redeem", wrong], "MESH_INVITE_INVALID", 2);
    await expectRefusal(await newPerson(), ["invite", "redeem", "hello"], "MESH_INVITE_INVALID", 2);
    await meshOk(await newPerson(), ["invite", "redeem", code]);
  });

  it("of another kind", async () => {
    const person = await invite("--grant", "/media:read");
    const node = await invite("--node", "--role", "storage");
    await expectRefusal(
      newHome(),
      ["join", person.code, "--no-start"],
      "MESH_INVITE_WRONG_KIND",
      2,
    );
    await expectRefusal(
      await newPerson(),
      ["invite", "redeem", node.code],
      "MESH_INVITE_WRONG_KIND",
      2,
    );
  });

  it("for another member, or answered by a server whose CA is not the pinned one", async () => {
    const base = await freePortBase(1);
    const bob = new MeshProcess({
      name: "bob",
      home: newHome(),
      portBase: base,
      args: ["up", "--member", "bob", "--name", "bob-node", "--port-base", String(base)],
    });
    bob.start();
    try {
      await bob.ready();
      const { code } = await invite("--grant", "/media:read");
      const endpoints = [{ host: "127.0.0.1", port: 9001 + base }];
      const moved = encodeInvite({ ...parseInvite(code), endpoints }).text;
      const result = await mesh(await newPerson(), ["invite", "redeem", moved]);
      expect(result.stderr).toMatch(/MESH_PIN_MISMATCH|MESH_INVITE_WRONG_MEMBER/);
      expect(result.code).toBeGreaterThan(0);
      // The invite was not used up by the attempt.
      await meshOk(await newPerson(), ["invite", "redeem", code]);
      // Bob's certificate means nothing to Alice.
      const certs = join(bob.home, "certs");
      const api = `127.0.0.1:${8001 + member.coordinator.portBase}`;
      const foreign = await mesh(newHome(), [
        ...["status", "--coordinator", api],
        ...["--ca", join(operator, "certs/ca/alice-ca.crt")],
        ...["--cert", join(certs, "coordinators/bob-node.crt")],
        ...["--key", join(certs, "coordinators/bob-node.key")],
      ]);
      expect(foreign.code).toBeGreaterThan(0);
      expect(foreign.stderr).toMatch(/MESH_(CERT_UNTRUSTED|UNREACHABLE|UNAUTHENTICATED)/);
    } finally {
      await bob.kill("SIGTERM");
    }
  });
});

describe("revoked people", () => {
  it("lose their access at once", async () => {
    const home = newHome();
    await meshOk(home, ["identity", "init", "--global-id", "eve@demo.example"]);
    const { code } = await invite("--grant", "/media:read");
    await meshOk(home, ["invite", "redeem", code]);
    expect(await meshOk(home, ["read", "/media/film"])).toBe("a film");
    await meshOk(operator, ["revoke", "eve@demo.example"]);
    await expectRefusal(home, ["read", "/media/film"], "MESH_CERT_REVOKED", 9);
  });
});

describe("paths", () => {
  const refused: [string, string[], string, number][] = [
    ["parent references", ["write", "/shared/../media/x"], "MESH_PATH_INVALID", 2],
    ["control characters", ["write", "/shared/a\u0001b"], "MESH_PATH_INVALID", 2],
    ["a name of 4 KiB", ["write", `/shared/${"n".repeat(4096)}`], "MESH_PATH_TOO_LONG", 2],
    ["a path over a file", ["write", "/media/film/x"], "MESH_NOT_A_DIRECTORY", 5],
    ["a directory over a file", ["mkdir", "/media/film"], "MESH_PATH_EXISTS", 5],
    ["a missing parent", ["mkdir", "/shared/a/b"], "MESH_PARENT_MISSING", 3],
    ["a file to read that is not there", ["read", "/shared/none"], "MESH_PATH_NOT_FOUND", 3],
    ["a directory to read", ["read", "/shared"], "MESH_IS_A_DIRECTORY", 5],
    [
      "a directory with content to remove",
      ["rm", "/media"],
      "MESH_(DIRECTORY_NOT_EMPTY|IS_A_DIRECTORY)",
      5,
    ],
  ];
  for (const [what, args, code, exit] of refused) {
    it(what, async () => {
      const result = await mesh(operator, args, { input: "x" });
      expect(result.stderr).toMatch(new RegExp(code));
      expect(result.code).toBe(exit);
      expect(result.stderr).toMatch(/hint: /);
    });
  }

  it("says what the homelab guide says when a parent is missing", async () => {
    const { stderr } = await mesh(operator, ["mkdir", "/none/below"]);
    expect(stderr).toContain("Parent directory does not exist");
  });

  it("left nothing behind", async () => {
    expect(await meshOk(operator, ["ls", "/shared"])).toBe("");
    expect(await meshOk(operator, ["read", "/media/film"])).toBe("a film");
  });
});

describe("a client with read on /media alone", () => {
  it("reads there", async () => {
    expect(await meshOk(visitor, ["read", "/media/film"])).toBe("a film");
    expect(await meshOk(visitor, ["ls", "/media"])).toMatch(/film/);
  });

  it("cannot write, remove or move there, nor list or read /shared", async () => {
    for (const args of [
      ["write", "/media/mine"],
      ["mkdir", "/media/mine"],
      ["rm", "/media/film"],
      ["mv", "/media/film", "/media/other"],
      ["ls", "/shared"],
      ["read", "/shared/whatever"],
      ["write", "/shared/x"],
    ]) {
      await expectRefusal(visitor, args, "MESH_FORBIDDEN", 4, "x");
    }
  });

  it("sees in / only what leads to its grant", async () => {
    expect(await meshOk(visitor, ["ls", "/"])).toBe("media/\n");
  });

  it("cannot make invites, revoke, or look at other identities", async () => {
    expect(await meshOk(visitor, ["invite", "list", "--json"])).not.toMatch(/person|media/);
    await expectRefusal(visitor, ["invite", "generate", "--grant", "/:all"], "MESH_FORBIDDEN", 4);
    await expectRefusal(visitor, ["revoke", "alice-node-01"], "MESH_FORBIDDEN", 4);
  });
});

describe("the machine", () => {
  it("refuses a directory that is in use", async () => {
    const base = await freePortBase(1);
    const stderr = await expectRefusal(
      operator,
      ["up", "--port-base", String(base)],
      "MESH_HOME_IN_USE",
      5,
    );
    expect(stderr).toContain(String(member.coordinator.pid));
  });

  it("names a port that is taken and the flag that changes it, leaves no node behind", async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "0.0.0.0", resolve));
    const address = blocker.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const base = await freePortBase(1);
    const args = ["up", "--port-base", String(base), "--link-port", String(port)];
    const stderr = await expectRefusal(newHome(), args, "MESH_PORT_TAKEN", 7);
    expect(stderr).toContain(String(port));
    blocker.close();
  });

  it("refuses a node that has neither a member nor an invite", async () => {
    const args = ["up", "--role", "storage"];
    const stderr = await expectRefusal(newHome(), args, "MESH_CONFIG_INVALID", 2);
    expect(stderr).toContain("mesh join");
  });

  it("refuses a key that others can read", async () => {
    const home = newHome();
    await meshOk(home, ["identity", "init", "--global-id", "sloppy@demo.example"]);
    const { execFileSync } = await import("node:child_process");
    execFileSync("chmod", ["-R", "go+r", home]);
    const { code } = await invite("--grant", "/media:read");
    await expectRefusal(home, ["invite", "redeem", code], "MESH_HOME_UNSAFE", 9);
  });

  it("says that no node runs when there is none", async () => {
    const stderr = await expectRefusal(newHome(), ["status"], "MESH_UNAUTHENTICATED", 9);
    expect(stderr).toContain("no node runs here");
  });

  it("lists every problem of a configuration at once", async () => {
    const home = newHome();
    writeFileSync(join(home, "mesh.yaml"), "links:\n  port: 99999999\nwrong: 1\n");
    const stderr = await expectRefusal(home, ["up"], "MESH_CONFIG_INVALID", 2);
    expect(stderr).toMatch(/links.port/);
    expect(stderr).toMatch(/wrong/);
  });
});

describe("plaintext", () => {
  it("is answered on the loopback page alone", async () => {
    const base = member.coordinator.portBase;
    for (const port of [8001, 9000, 9001].map((number) => number + base)) {
      const answer = await new Promise<string>((resolve) => {
        const socket = connect(port, "127.0.0.1");
        let text = "";
        socket.on("data", (bytes) => {
          text += bytes.toString("latin1");
        });
        socket.on("error", () => resolve(text));
        socket.on("close", () => resolve(text));
        socket.write("GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
        setTimeout(() => socket.destroy(), 2000).unref();
      });
      expect(answer, `port ${port}`).not.toMatch(/HTTP\/1\.1 200|alice/);
    }
  });

  it("writes no secret to a log", async () => {
    const { code } = await invite("--grant", "/media:read");
    const secret = code.split("@")[0]?.split("-").at(-2) ?? "";
    expect(secret.length).toBeGreaterThan(20);
    await meshOk(await newPerson(), ["invite", "redeem", code]);
    for (const process of member.processes) {
      const log = readFileSync(join(process.home, "logs", "node.log"), "utf8");
      expect(log.length).toBeGreaterThan(0);
      expect(log).not.toContain(secret);
      expect(log).not.toContain("PRIVATE KEY");
    }
  });
});
