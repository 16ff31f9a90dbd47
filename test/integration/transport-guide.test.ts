/**
 * The programs of the transport guide, unchanged but for the name of the package: against the types
 * of the package, and as processes over a real WireGuard tunnel between two network namespaces.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  guideBlock,
  guideBlocks,
  Program,
  typeErrors,
  usageOf,
  whyNoGuide,
  withImport,
  writeProgram,
} from "../support/guide-programs.js";
import { JsonChild, supportScript } from "../support/json-child.js";
import { type NamespaceSide, TunnelPair, whyNoTunnels } from "../support/network-namespaces.js";

const folder = mkdtempSync(join(tmpdir(), "qwormhole-guide-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const noGuide = whyNoGuide();
const named = (title: string, missing: string | undefined) =>
  missing === undefined ? title : `${title} (${missing})`;

describe.skipIf(noGuide !== undefined)(named("the transport guide", noGuide), () => {
  it("fits the types of the package, in the strict mode of the compiler", () => {
    const blocks = guideBlocks();
    expect(blocks).toHaveLength(10);
    const paths = blocks.map((block, index) => {
      const path = join(folder, `block-${index}.ts`);
      writeFileSync(path, withImport(block));
      return path;
    });
    const typeRoots = fileURLToPath(new URL("../../node_modules/@types", import.meta.url));
    expect(typeErrors(paths, typeRoots)).toEqual([]);
  });
});

const missing = noGuide ?? whyNoTunnels();
describe.skipIf(missing !== undefined)(named("the guide's programs in a tunnel", missing), () => {
  let pair: TunnelPair;
  beforeAll(async () => {
    pair = await TunnelPair.create();
  });
  afterAll(() => pair?.close());

  const running: { kill?(): Promise<void>; close?(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const item of running.splice(0).reverse()) await (item.kill?.() ?? item.close?.());
  });

  let programs = 0;
  function start(side: NamespaceSide, source: string): Program {
    const path = join(folder, `program-${++programs}.mjs`);
    writeProgram(path, source);
    const program = new Program(side.spawn([process.execPath, path]));
    running.push(program);
    return program;
  }
  function probe(side: NamespaceSide): JsonChild {
    const child = side.spawn([process.execPath, supportScript("facade-probe.mjs")]);
    const steered = new JsonChild(child);
    running.push(steered);
    return steered;
  }
  const mesh = { host: "10.0.0.1", port: 9000, protocolVersion: "mesh-1.0" };
  /** Asks until the answer is as wanted. */
  async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
    for (;;) {
      const answer = await ask();
      if (isRight(answer)) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  const nodeA = () => guideBlock("Node Alpha listening");

  it("Node A and Node B: a registration with its tags", async () => {
    const before = await pair.left.tunnelBytes();
    const alpha = start(pair.left, nodeA());
    await alpha.says("Node Alpha listening on 10.0.0.1:9000");
    const beta = start(pair.right, guideBlock("Connected to coordinator"));
    await beta.says("Connected to coordinator");
    await alpha.says(
      "Peer connected: beta",
      "  Region: eu-central",
      "Message from beta: { type: 'register', capabilities: [ 'compute', 'storage' ] }",
    );
    const after = await pair.left.tunnelBytes();
    expect(after.received).toBeGreaterThan(before.received);
    expect(beta.hasEnded).toBe(false);
  });

  it("the client on wg0, and the one with its own address", async () => {
    const alpha = start(pair.left, nodeA());
    await alpha.says("Node Alpha listening");
    start(pair.right, guideBlock('"gamma"'));
    await alpha.says("Peer connected: gamma", "  Region: ap-south");
    await alpha.kill();

    const server = probe(pair.left);
    await server.ask("serve", { name: "own", options: mesh });
    const fragment = `${withImport(guideBlock('10.0.0.3", // This'))}\nawait client.connect();`;
    start(pair.right, fragment);
    const ask = () => server.ask<{ remoteAddress: string }[]>("peers", { name: "own" });
    // The client on wg0 comes back to the new server by itself.
    const peers = await until(ask, (found) => found.length === 2);
    const hosts = peers.map(({ remoteAddress }) => remoteAddress.replace(/:\d+$/, ""));
    expect(hosts.sort()).toEqual(["10.0.0.2", "10.0.0.3"]);
  });

  it("the registry: everybody learns who is there", async () => {
    start(pair.left, guideBlock("interface PeerInfo"));
    const peers = probe(pair.right);
    const join = async (nodeId: string, tags: object) => {
      const options = { ...mesh, interfaceName: "wg0", handshakeTags: { nodeId, ...tags } };
      await peers.ask("connect", { name: nodeId, options: { ...options, reconnect: {} } });
    };
    await join("one", { region: "eu", capabilities: ["gpu", "storage"] });
    await join("two", {});
    interface Update {
      type: string;
      peers: { nodeId: string; region: string; capabilities: string[] }[];
    }
    const updates = () => peers.ask<Update[]>("messages", { name: "one" });
    const [first, second] = await until(updates, (found) => found.length === 2);
    expect(first).toMatchObject({
      type: "peer-update",
      peers: [{ nodeId: "one", region: "eu", capabilities: ["gpu", "storage"] }],
    });
    expect(second?.peers).toMatchObject([
      { nodeId: "one" },
      { nodeId: "two", region: "unknown", capabilities: [] },
    ]);
    await peers.ask("disconnect", { name: "two" });
    const [, , last] = await until(updates, (found) => found.length === 3);
    expect(last?.peers.map(({ nodeId }) => nodeId)).toEqual(["one"]);
  });

  it("the coordinator and the regional worker, also after the coordinator crashed", async () => {
    const coordinator = guideBlock('nodeId: "coordinator"');
    const first = start(pair.left, coordinator);
    const worker = start(pair.right, guideBlock("worker-eu-1"));
    const peers = probe(pair.right);
    const sender = { name: "sender", options: { ...mesh, reconnect: {} } };
    expect(await peers.ask("connect", sender)).toEqual({
      server: { nodeId: "coordinator", region: "us-west" },
    });
    const send = (job: number, targetRegion: string) => {
      const value = { type: "broadcast", targetRegion, payload: { job } };
      return peers.ask("send", { name: "sender", value });
    };
    /** The coordinator may know the worker only a little later. */
    const sendUntilHeard = async (job: number) => {
      const heard = `Received from mesh: { job: ${job} }`;
      await until(
        () => send(job, "eu-central").then(() => worker.text),
        (text) => text.includes(heard),
      );
    };
    await send(7, "ap-south");
    await sendUntilHeard(1);
    expect(worker.text).not.toContain("job: 7");
    await first.kill();
    await worker.says("Reconnecting to mesh (attempt 1, delay ");
    start(pair.left, coordinator);
    await sendUntilHeard(2);
  });

  it("the failover to the next coordinator, when the first does not come back", async () => {
    const near = probe(pair.left);
    await near.ask("serve", { name: "own", options: mesh });
    const far = probe(pair.right);
    await far.ask("serve", { name: "own", options: { ...mesh, host: "10.0.0.2" } });
    const client = start(pair.right, guideBlock("Failing over to coordinator"));
    type Peers = { tags: object }[];
    await until(
      () => near.ask<Peers>("peers", { name: "own" }),
      (found) => found.length === 1,
    );
    // A crash: all of its five attempts at the first coordinator are in vain.
    await near.close();
    await client.says("Failing over to coordinator 1");
    const peers = await until(
      () => far.ask<Peers>("peers", { name: "own" }),
      (found) => found.length > 0,
    );
    expect(peers).toMatchObject([{ tags: { nodeId: "worker-failover" } }]);
    expect(client.text).not.toContain("coordinator 2");
  });

  it("the full mesh: both nodes find each other, talk, and notice when one goes", async () => {
    const block = guideBlock("export class MeshNode");
    const usage = usageOf(block);
    expect(usage).toContain("await node.start();");
    /** As the guide's usage has it, with other names and addresses. */
    const usageFor = (nodeId: string, peers: string) =>
      usage
        .replace('"alpha"', JSON.stringify(nodeId))
        .replace(/peers: \[[^\]]*\]/, `peers: [{ host: "${peers}", port: 9000 }]`);
    const say = 'setTimeout(() => node.broadcast({ hello: "from " + process.pid }), 500);';
    const alpha = start(pair.left, `${block}\n${usageFor("alpha", "10.0.0.2")}\n${say}`);
    const beta = start(pair.right, `${block}\n${usageFor("beta", "10.0.0.1")}\n${say}`);
    await alpha.says(
      "[alpha] Listening on port 9000",
      "[alpha] Connected to 10.0.0.2:9000",
      "[alpha] Peer joined: beta",
      "[alpha] Message from beta: { hello: 'from ",
    );
    await beta.says("[beta] Peer joined: alpha", "[beta] Message from alpha: { hello: 'from ");
    await alpha.kill();
    await beta.says("[beta] Peer left: alpha");
    const again = start(pair.left, `${block}\n${usageFor("alpha", "10.0.0.2")}`);
    await again.says("[alpha] Peer joined: beta");
  });

  it("the server that tells its telemetry", async () => {
    const fragment = withImport(guideBlock("// ...options"));
    const options = 'host: "10.0.0.1", port: 9000, protocolVersion: "mesh-1.0",';
    const source = fragment.replace("// ...options", options);
    const server = start(pair.left, `${source}\nawait server.listen();`);
    const peers = probe(pair.right);
    await peers.ask("connect", { name: "own", options: { ...mesh, reconnect: {} } });
    await server.says("Connections: 1", "Bytes in/out: ");
    expect(server.text).toMatch(/Bytes in\/out: \d+\/\d/);
  });
});
