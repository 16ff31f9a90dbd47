/** What `mesh overlay status` prints of what a node tells. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OverlayReport } from "@hearthmesh/gateway/contracts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCommand } from "../testing/command-run.js";
import { seemsToRun } from "../testing/running-node.js";
import { overlayStatusCommand } from "./overlay-status.js";

const PEER = {
  ...{ key: "a03bdf4fd8ab35c2", address: "200:bf88::44bf", node: "node-b", inbound: false },
  ...{ remote: "tls://203.0.113.9:9010", up: true, uptimeSeconds: 3, bytesIn: 1, bytesOut: 2 },
};
const OVERLAY: OverlayReport = {
  type: "yggdrasil",
  state: "up",
  address: "200:577d::823b",
  subnet: "300:577d::/64",
  key: "d44126b698941a7d",
  version: null,
  uptimeSeconds: 61.4,
  restarts: 0,
  connected: 1,
  peers: [PEER],
};

describe("mesh overlay status", () => {
  let directory: string;
  let server: Server;
  let overlay: OverlayReport | null;

  beforeEach(async () => {
    server = createServer((_request, response) => response.end(JSON.stringify({ overlay })));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    directory = await mkdtemp(join(tmpdir(), "mesh-overlay-"));
    await seemsToRun(directory, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true });
  });
  const run = (...args: string[]) => runCommand(directory, overlayStatusCommand, args);

  it("shows the address, and who is connected", async () => {
    overlay = OVERLAY;
    const output = await run();
    expect(output).toContain("yggdrasil: up, started 61 s ago\n");
    expect(output).toContain("Address  200:577d::823b\n");
    expect(output).toMatch(/a03bdf4fd8ab +up +node-b +out +200:bf88::44bf +tls:\/\/203/);
    expect(JSON.parse(await run("--json"))).toEqual(OVERLAY);
    overlay = { ...OVERLAY, peers: [{ ...PEER, inbound: null }] };
    expect(await run()).toMatch(/ node-b +unknown +200:bf88::44bf /);
  });

  it("says why it is down, and never what would move a terminal", async () => {
    const reason = "it ended (status 2: panic: permission denied\u001b[2J)";
    overlay = { ...OVERLAY, state: "down", reason, restarts: 1, uptimeSeconds: null, peers: [] };
    const output = await run();
    expect(output).toContain("yggdrasil: down, ended once by itself\n  it ended (status 2: panic");
    expect(output).toContain("Peers    none is connected");
    expect(output).not.toContain("\u001b[2J");
  });

  it("says when there is none", async () => {
    overlay = null;
    await expect(run()).rejects.toMatchObject({ code: "MESH_OVERLAY_OFF" });
  });
});
