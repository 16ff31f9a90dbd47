import { type Clock, isMeshError, systemClock } from "@hearthmesh/core";
import type { Link, LinkStream } from "@hearthmesh/qwormhole";
import { afterEach, describe, expect, it } from "vitest";
import type { OpenLink } from "../ports.js";
import { FAILURE_REMEMBERED_MS } from "./limits.js";
import { type MeshNode, RelayMesh, type RelayMeshOptions, until } from "./testing/relay-mesh.js";

const meshes: RelayMesh[] = [];
afterEach(() => {
  for (const mesh of meshes.splice(0)) mesh.close();
});

/** Waits that are seconds for people are shorter here, dials still have a second and more. */
function quickClock(factor = 4): Clock {
  const clock = systemClock();
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs() * factor,
    setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs / factor),
  };
}

async function nodes(names: string[], options: RelayMeshOptions = {}): Promise<MeshNode[]> {
  const mesh = new RelayMesh(options);
  meshes.push(mesh);
  const made: MeshNode[] = [];
  for (const name of names) made.push(await mesh.node(name, serving()));
  return made;
}

const serving = () => ({
  onRequest: async ({ method, body }: { method: string; body: Uint8Array }) => {
    if (method === "slow") await new Promise((resolve) => setTimeout(resolve, 300));
    return body;
  },
  async onStream(stream: LinkStream) {
    for await (const piece of stream.readable) await stream.write(piece);
  },
});

async function works(link: Link): Promise<boolean> {
  return (await link.request("echo", Buffer.from("there?"))).length === 6;
}

function kindsOf(node: MeshNode, other: MeshNode): string[] {
  const own = node.table.openLinks().filter(({ link }) => link.peer.nodeId === other.id);
  return own.map(({ kind }) => kind).sort();
}

describe("MeshLinkTable", { timeout: 20_000 }, () => {
  it("dials a node once, however many ask, and uses the open link from then on", async () => {
    const [a, b] = (await nodes(["a", "b"])) as [MeshNode, MeshNode];
    a.knows(b);
    let dials = 0;
    a.beforeDial = async () => {
      dials++;
    };
    const links = await Promise.all(Array.from({ length: 20 }, () => a.table.linkTo(b.id)));
    expect(new Set(links).size).toBe(1);
    expect(dials).toBe(1);
    expect(await a.table.linkTo(b.id)).toBe(a.table.openLink(b.id));
    await until(() => b.table.openLink(a.id) !== undefined);
    expect(await works(await b.table.linkTo(a.id))).toBe(true);
  });

  it("keeps one link when both dial at once, the same at both ends", async () => {
    for (let round = 0; round < 5; round++) {
      const [a, b] = (await nodes(["a", "b"], { clock: quickClock() })) as [MeshNode, MeshNode];
      a.knows(b);
      b.knows(a);
      let waiting = 0;
      const both = async () => {
        waiting++;
        await until(() => waiting === 2);
      };
      a.beforeDial = both;
      b.beforeDial = both;
      await Promise.all([a.table.linkTo(b.id), b.table.linkTo(a.id)]);
      const lower = a.id < b.id ? a : b;
      const upper = lower === a ? b : a;
      // The one that the lower id dialled stays, the other one goes, at both ends.
      await until(() => upper.accepted === 1 && lower.accepted === 0);
      const address = `127.0.0.1:${upper.port}`;
      await until(() => lower.table.openLink(upper.id)?.peer.remoteAddress === address);
      await until(() => upper.table.openLink(lower.id)?.isOpen === true);
      expect([kindsOf(a, b), kindsOf(b, a)]).toEqual([["direct"], ["direct"]]);
      expect(await works(await a.table.linkTo(b.id))).toBe(true);
      expect(await works(await b.table.linkTo(a.id))).toBe(true);
    }
  });

  it("goes through a relay when no address answers, and tells why", async () => {
    const [a, hub, b] = (await nodes(["a", "hub", "b"])) as [MeshNode, MeshNode, MeshNode];
    a.knows(hub);
    b.knows(hub);
    await b.table.linkTo(hub.id);
    a.hubs = [hub.id];
    const link = await a.table.linkTo(b.id);
    expect(await works(link)).toBe(true);
    expect(kindsOf(a, b)).toEqual(["relayed"]);
    await until(() => b.table.openLink(a.id) !== undefined);
    expect(kindsOf(b, a)).toEqual(["relayed"]);
    expect(b.table.openLinks().find(({ kind }) => kind === "relayed")?.via).toEqual([hub.id]);
    expect(await works(await b.table.linkTo(a.id))).toBe(true);
  });

  it("goes over to a direct link when one opens, and closes the relayed one", async () => {
    const clock = quickClock();
    const [a, hub, b] = (await nodes(["a", "hub", "b"], { clock })) as [
      MeshNode,
      MeshNode,
      MeshNode,
    ];
    a.knows(hub);
    hub.knows(b);
    a.hubs = [hub.id];
    const events: string[] = [];
    a.table.onLink(({ kind, link }: OpenLink, isOpen) => {
      if (link.peer.nodeId === b.id) events.push(`${kind} ${isOpen}`);
    });
    const relayed = await a.table.linkTo(b.id);
    const running = relayed.request("slow", Buffer.from("under way"));
    // From now on `a` can reach `b`; its own attempts find that out.
    a.knows(b);
    await until(() => kindsOf(a, b).includes("direct"));
    expect(await a.table.linkTo(b.id)).not.toBe(relayed);
    expect((await running).length).toBe(9);
    const { error } = await relayed.closed;
    expect(error).toBeUndefined();
    await until(() => events.length === 3);
    expect(events).toEqual(["relayed true", "direct true", "relayed false"]);
    await until(() => hub.relay.status().all.openStreams === 0);
    expect(a.table.lastErrors(b.id)).toEqual([]);
  });

  it("finds another relay when one dies", async () => {
    const made = await nodes(["a", "hub-1", "hub-2", "b"]);
    const [a, one, two, b] = made as [MeshNode, MeshNode, MeshNode, MeshNode];
    a.knows(one, two);
    b.knows(one, two);
    await Promise.all([b.table.linkTo(one.id), b.table.linkTo(two.id)]);
    a.paths.set(b.id, [
      { path: [one.id, b.id], costMs: 1 },
      { path: [two.id, b.id], costMs: 2 },
    ]);
    const first = await a.table.linkTo(b.id);
    expect(a.table.openLinks().find(({ kind }) => kind === "relayed")?.via).toEqual([one.id]);
    one.stop();
    expect((await first.closed).error).toBeInstanceOf(Error);
    const second = await a.table.linkTo(b.id);
    expect(await works(second)).toBe(true);
    expect(a.table.openLinks().find(({ kind }) => kind === "relayed")?.via).toEqual([two.id]);
  });

  it("says what each way said when none leads there, and waits a moment", async () => {
    let nowMs = 0;
    const clock = { ...systemClock(), monotonicMs: () => nowMs };
    const made = await nodes(["a", "hub", "b", "gone"], { clock, policy: { enabled: false } });
    const [a, hub, b, gone] = made as [MeshNode, MeshNode, MeshNode, MeshNode];
    a.knows(hub, gone);
    hub.knows(b);
    gone.stop();
    a.hubs = [hub.id];
    const error = await a.table.linkTo(gone.id).catch((cause: unknown) => cause);
    expect(isMeshError(error, "MESH_UNREACHABLE")).toBe(true);
    const { message } = error as Error;
    expect(message).toContain(`127.0.0.1:${gone.port}: nothing listens there`);
    expect(message).toContain("through hub: the node does not pass streams on");
    expect(a.table.lastErrors(gone.id).map(({ kind }) => kind)).toEqual(["direct", "relayed"]);
    let dials = 0;
    a.beforeDial = async () => {
      dials++;
    };
    await expect(a.table.linkTo(gone.id)).rejects.toBe(error);
    expect(dials).toBe(0);
    nowMs = FAILURE_REMEMBERED_MS;
    await expect(a.table.linkTo(gone.id)).rejects.not.toBe(error);
    expect(dials).toBe(1);
    const unknown = "z".repeat(52) as typeof a.id;
    await expect(a.table.linkTo(unknown)).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
    await expect(a.table.linkTo(a.id)).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
  });

  it("takes a link that the other side dials while it tries itself", async () => {
    const [a, b] = (await nodes(["a", "b"])) as [MeshNode, MeshNode];
    a.knows(b);
    b.knows(a);
    a.beforeDial = () => new Promise(() => {});
    const waiting = a.table.linkTo(b.id);
    await b.table.linkTo(a.id);
    expect(await works(await waiting)).toBe(true);
  });

  it("lets who gives up go, and the others wait on", async () => {
    const [a, b] = (await nodes(["a", "b"])) as [MeshNode, MeshNode];
    a.knows(b);
    let go: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    a.beforeDial = () => held;
    const controller = new AbortController();
    const impatient = a.table.linkTo(b.id, { signal: controller.signal });
    const patient = a.table.linkTo(b.id);
    controller.abort(new Error("enough"));
    await expect(impatient).rejects.toThrow("enough");
    go();
    expect(await works(await patient)).toBe(true);
    await expect(a.table.linkTo(b.id, { signal: controller.signal })).resolves.toBeDefined();
  });

  it("forgets nothing of an attempt that was given up: the next one tries again", async () => {
    const [a, b] = (await nodes(["a", "b"])) as [MeshNode, MeshNode];
    const controller = new AbortController();
    a.knows(b);
    a.beforeDial = () => new Promise(() => {});
    const given = a.table.linkTo(b.id, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    const link = a.table.linkTo(b.id);
    b.knows(a);
    await b.table.linkTo(a.id);
    expect(await works(await link)).toBe(true);
  });

  it("closes every link and takes none after that", async () => {
    const [a, b] = (await nodes(["a", "b"])) as [MeshNode, MeshNode];
    a.knows(b);
    const link = await a.table.linkTo(b.id);
    await a.table.close("over", 0);
    expect(link.isOpen).toBe(false);
    expect(a.table.openLinks()).toEqual([]);
    await expect(a.table.linkTo(b.id)).rejects.toMatchObject({ code: "MESH_STOPPING" });
    b.knows(a);
    const late = await b.dialer.dial(a.address, {});
    expect((await late.closed).error).toBeInstanceOf(Error);
  });
});
