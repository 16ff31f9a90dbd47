import { type MemberId, MeshError, type NodeId, silentLogger } from "@hearthmesh/core";
import { dialLink, listenLinks, memoryTransport, nodeIdOfPublicKey } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeInfo } from "../types.js";
import { LinkPool } from "./link-pool.js";
import { IdleClock } from "./testing/idle-clock.js";
import { newIdentity } from "./testing/small-node.js";

const nodeIdentity = newIdentity("attic");
let clock: IdleClock;
let transport: ReturnType<typeof memoryTransport>;
let dials: string[];
let pool: LinkPool;

beforeEach(() => {
  clock = new IdleClock();
  transport = memoryTransport();
  dials = [];
  const options = { identity: newIdentity("client"), handlers: {}, clock };
  pool = new LinkPool({
    dial: (address, more) => {
      dials.push(`${address.host}:${address.port}`);
      if (address.host === "silent") return new Promise(() => undefined);
      return dialLink(transport, address, { ...options, ...more });
    },
    clock,
    log: silentLogger,
  });
});
afterEach(async () => {
  await pool.close();
  clock.stop();
});

function nodeAt(...addresses: string[]): NodeInfo {
  return {
    nodeId: nodeIdOfPublicKey(nodeIdentity.publicKey) as NodeId,
    name: "attic",
    memberId: "alice" as MemberId,
    roles: ["storage"],
    addresses,
    version: "1",
    state: "online",
    lastSeenMs: 0,
  };
}

const listen = (host: string, identity = nodeIdentity) =>
  listenLinks(transport, { host, port: 9000 }, { identity, handlers: {}, clock }, () => undefined);

describe("LinkPool", () => {
  it("tries the addresses in order and keeps one link for everybody", async () => {
    await listen("attic");
    const node = nodeAt("away:9000", "silent:9000", "attic:9000");
    const [first, second] = await Promise.all([pool.linkTo(node), pool.linkTo(node)]);
    expect(first).toBe(second);
    expect(await pool.linkTo(node)).toBe(first);
    expect(dials).toEqual(["away:9000", "silent:9000", "attic:9000"]);
  });

  it("refuses a node that is not the one that was asked for", async () => {
    await listen("attic", newIdentity("stranger"));
    await expect(pool.linkTo(nodeAt("attic:9000"))).rejects.toMatchObject({
      code: "MESH_UNREACHABLE",
      message: expect.stringMatching(/attic cannot be reached .*answered where/),
    });
  });

  it("remembers a failure for a while, then tries again", async () => {
    const node = nodeAt("attic:9000");
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(pool.linkTo(node)).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
    }
    expect(dials).toHaveLength(1);
    await listen("attic");
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 3_001));
    expect((await pool.linkTo(node)).isOpen).toBe(true);
  });

  it("dials anew when the link was closed", async () => {
    const listener = await listen("attic");
    const node = nodeAt("attic:9000");
    const first = await pool.linkTo(node);
    for (const link of listener.links) link.destroy(new Error("gone"));
    await first.closed;
    expect(await pool.linkTo(node)).not.toBe(first);
  });

  it("lets a caller give up without ending the dial of the others", async () => {
    await listen("attic");
    const node = nodeAt("silent:9000", "attic:9000");
    const stop = new AbortController();
    const waiting = pool.linkTo(node, stop.signal);
    const other = pool.linkTo(node);
    stop.abort(new MeshError("MESH_CANCELLED"));
    await expect(waiting).rejects.toMatchObject({ code: "MESH_CANCELLED" });
    expect((await other).isOpen).toBe(true);
  });

  it("closes everything once", async () => {
    await listen("attic");
    const link = await pool.linkTo(nodeAt("attic:9000"));
    await pool.close();
    expect(link.isOpen).toBe(false);
    await expect(pool.linkTo(nodeAt("attic:9000"))).rejects.toMatchObject({
      code: "MESH_STOPPING",
    });
  });
});
