/** Commands of pools as typed at a terminal, against a door that answers what a node would. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PoolMemberView, PoolView } from "@hearthmesh/gateway/contracts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Cli } from "../cli.js";
import type { MeshCommand } from "../command.js";
import { runCommand } from "../testing/command-run.js";
import { seemsToRun } from "../testing/running-node.js";
import { poolApproveCommand } from "./pool-decide.js";
import { poolListCommand } from "./pool-list.js";
import { poolPairCommand } from "./pool-pair.js";
import { poolPeersCommand } from "./pool-peers.js";
import { poolRequestsCommand } from "./pool-requests.js";
import { poolStatusCommand } from "./pool-status.js";
import { ringStatusCommand } from "./ring-status.js";

const SEEN = "2026-11-21T19:28:27.740Z";

function member(name: string, more: Partial<PoolMemberView>): PoolMemberView {
  return {
    nodeId: name.padEnd(52, "a"),
    name,
    role: "member",
    position: 1,
    columns: { from: 4096, to: 8192 },
    capacity: 1,
    lanAddress: "192.0.2.7:9000",
    isSelf: false,
    status: "online",
    lastSeen: SEEN,
    ...more,
  };
}

function pool(name: string): PoolView {
  const first = {
    role: "admin",
    position: 0,
    columns: { from: 0, to: 4096 },
    isSelf: true,
  } as const;
  return {
    poolId: name.padEnd(32, "0"),
    name,
    networkId: "test",
    rootPublicKey: "r".repeat(53),
    epoch: 131_072,
    members: [member("device1", first), member("device2", {})],
  };
}

let home: string;
let server: Server;
let pools: PoolView[];
let asked: string[];
let unavailable: string | null;

beforeEach(async () => {
  unavailable = null;
  pools = [pool("lab")];
  asked = [];
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const answers: Record<string, unknown> = {
      "/api/pools": { pools },
      "/api/inference/rings": { unavailable, led: [], held: [] },
      [`/api/pools/${pools[0]?.poolId}/requests`]: {
        requests: [
          {
            nodeId: "x",
            name: "evil\u001b[2J",
            words: "badoki-luzami-gofuta-pirasi",
            address: "192.0.2.8",
            since: SEEN,
            expires: new Date(Date.now() + 300_000).toISOString(),
          },
        ],
      },
    };
    const decided = { nodeId: "x", name: "device3", words: "w", code: "c-o-d", notAfter: SEEN };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answers[request.url ?? ""] ?? { ...decided, uses: 1 }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  home = mkdtempSync(join(tmpdir(), "hearthmesh-pool-commands-"));
  await seemsToRun(home, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(home, { recursive: true, force: true });
});

const run = (make: (cli: Cli) => MeshCommand, ...args: string[]) => runCommand(home, make, args);

describe("mesh pool", () => {
  it("lists pools with all their members", async () => {
    const text = await run(poolListCommand);
    expect(text).toMatch(/^lab {2}lab0+ {2}2 members, network test\n/);
    expect(text).toMatch(/0 +device1 \(this machine\) +admin +ONLINE +0-4095 +device1a+\n/);
    expect(text).toMatch(/1 +device2 +member +ONLINE +4096-8191 +device2a+\n/);
    expect(JSON.parse(await run(poolListCommand, "--json"))).toEqual({ pools });
  });

  it("shows the other machines: id, address, ONLINE and when they were seen", async () => {
    const text = await run(poolPeersCommand);
    expect(text).toMatch(/device2a+ +device2 +192\.0\.2\.7:9000 +ONLINE +2026-11-21T19:28:27/);
    expect(text).not.toMatch(/device1 /);
    const { peers } = JSON.parse(await run(poolPeersCommand, "--pool-id", "lab", "--json"));
    expect(peers.map(({ name }: PoolMemberView) => name)).toEqual(["device2"]);
  });

  it("says whether a pool is complete", async () => {
    expect(await run(poolStatusCommand)).toMatch(/State: +ready\nMembers: +2, 2 online/);
    pools = [{ ...pool("lab"), members: [member("device1", { status: "offline" })] }];
    expect(await run(poolStatusCommand)).toMatch(/State: +incomplete\nMembers: +1, 0 online/);
  });

  it("asks which pool is meant when there are several, and says when there is none", async () => {
    pools = [pool("lab"), pool("den")];
    await expect(run(poolPeersCommand)).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
      hint: "Say which with --pool-id: lab, den.",
    });
    expect(await run(poolPeersCommand, "--pool-id", "den")).toContain("device2");
    const unknown = { code: "MESH_POOL_UNKNOWN" };
    await expect(run(poolPeersCommand, "--pool-id", "no")).rejects.toMatchObject(unknown);
    pools = [];
    await expect(run(poolStatusCommand)).rejects.toMatchObject(unknown);
  });

  it("shows who asks, without what could move the cursor, and decides", async () => {
    const text = await run(poolRequestsCommand);
    expect(text).toMatch(/evil\?\[2J +badoki-luzami-gofuta-pirasi +192\.0\.2\.8 +5 min/);
    expect(await run(poolApproveCommand, "a b")).toBe("device3 (w) belongs to lab now.\n");
    expect(asked).toContain(`POST /api/pools/${pools[0]?.poolId}/requests/a%20b/approve`);
  });

  it("prints a pairing code, and refuses a number of uses that is none", async () => {
    expect(await run(poolPairCommand)).toMatch(/^Pairing code: {2}c-o-d\nValid until: +2026/);
    await expect(run(poolPairCommand, "--uses", "0")).rejects.toThrow("whole number");
  });
});

describe("mesh ring status", () => {
  it("shows the ring of a pool, and says how a model comes to be loaded", async () => {
    const text = await run(ringStatusCommand);
    expect(text).toMatch(/^Ring of lab: epoch 131072, 2 of 2 members online\n/);
    expect(text).toContain("No model is loaded on this node: a request loads one");
    expect(text).not.toContain("runs no models");
  });

  it("says what to do on a node that runs no models, in a pool and in none", async () => {
    unavailable = "it has not the role ai";
    const inPool = await run(ringStatusCommand);
    expect(inPool).toContain("This node runs no models: it has not the role ai.");
    expect(inPool).toContain("Members of the pool answer its requests. `mesh up --ai true`");
    pools = [];
    const alone = await run(ringStatusCommand);
    expect(alone).toMatch(/^This node is in no pool\.\n/);
    expect(alone).toContain("or join a pool whose machines do: `mesh pool join`.");
  });
});
