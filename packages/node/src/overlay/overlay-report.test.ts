import { networkInterfaces } from "node:os";
import type { OpenLink } from "@hearthmesh/membership";
import { describe, expect, it } from "vitest";
import { outsideAddresses, reachableAddresses } from "../addresses.js";
import { ADDRESSES_BEFORE_OVERLAY_MAX, OVERLAY_TELL_GAPS_MS } from "./limits.js";
import type { Overlay, OverlayPeer, OverlayStatus } from "./overlay.js";
import { OverlayLinks } from "./overlay-links.js";
import { overlayOfPeer, overlayReport } from "./overlay-report.js";
import { isYggdrasilAddress } from "./yggdrasil-key.js";

const OWN = "200:577d::823b";
const THEIRS = "200:bf88::44bf";
const PEER: OverlayPeer = {
  ...{ key: "b", address: THEIRS, remote: "tcp://b:1", up: true, inbound: false },
  ...{ uptimeSeconds: 1, bytesIn: 1, bytesOut: 1 },
};

class TestOverlay implements Overlay {
  readonly name = "overlay";
  readonly process = { name: "test", state: () => "running" as const, describe: () => "" } as never;
  readonly listeners = new Set<() => void>();
  phase: OverlayStatus["phase"] = "up";
  connected: OverlayPeer[] = [PEER];
  async start() {}
  async stop() {}
  status(): OverlayStatus {
    const rest = { subnet: undefined, key: undefined, version: undefined, uptimeSeconds: 1 };
    return { type: "yggdrasil", phase: this.phase, address: OWN, restarts: 0, ...rest };
  }
  addresses = () => [OWN];
  contains = isYggdrasilAddress;
  peers = () => (this.phase === "up" ? this.connected : []);
  watch(listener: () => void) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  become(phase: OverlayStatus["phase"], connected = this.connected) {
    this.phase = phase;
    this.connected = connected;
    for (const listener of this.listeners) listener();
  }
}

const node = (name: string, ...linkAddresses: string[]) => ({ name, linkAddresses });
const link = (kind: OpenLink["kind"], remoteAddress: string) =>
  ({ kind, via: [], link: { peer: { remoteAddress } } }) as unknown as OpenLink;

describe("what is told of an overlay", () => {
  it("is nothing without one", () => {
    expect(overlayReport(undefined, [])).toBeNull();
    expect(overlayOfPeer(undefined, node("b", `[${THEIRS}]:9000`), undefined)).toEqual({});
  });

  it("names the nodes of this mesh among its peers", () => {
    const overlay = new TestOverlay();
    const nodes = [node("a", "10.0.0.1:9000"), node("b", "10.0.0.2:9000", `[${THEIRS}]:9000`)];
    const stranger = { ...PEER, address: "200:9::9" };
    overlay.connected = [PEER, stranger, { ...PEER, up: false, address: "" }];
    const report = overlayReport(overlay, nodes);
    expect(report).toMatchObject({ state: "up", address: OWN, subnet: null, connected: 2 });
    expect(report?.peers.map((peer) => peer.node)).toEqual(["b", null, null]);
  });

  it("says of a peer where it is there, and whether its link goes that way", () => {
    const overlay = new TestOverlay();
    const peer = node("b", "not an address", "10.0.0.2:9000", `[${THEIRS}]:9000`);
    const told = (used: OpenLink | undefined) => overlayOfPeer(overlay, peer, used).overlay;
    expect(told(undefined)).toEqual({ address: THEIRS, inUse: false });
    expect(told(link("direct", "10.0.0.2:9000"))).toEqual({ address: THEIRS, inUse: false });
    expect(told(link("direct", `[${THEIRS}]:40000`))).toEqual({ address: THEIRS, inUse: true });
    expect(told(link("relayed", `[${THEIRS}]:40000`))?.inUse).toBe(false);
    expect(overlayOfPeer(overlay, node("c", "10.0.0.3:9000"), undefined)).toEqual({});
  });
});

describe("the address in an overlay", () => {
  const overlayHosts = () => [OWN];

  it("is told last, whatever else is told", () => {
    const own = { host: "10.0.0.1", port: 9000 };
    expect(outsideAddresses({ ...own, overlayHosts }, [])).toEqual([
      "10.0.0.1:9000",
      `[${OWN}]:9000`,
    ]);
    const published = ["home.example:9001"];
    expect(outsideAddresses({ ...own, published, overlayHosts }, ["host-a"])).toEqual([
      "home.example:9001",
      "host-a:9000",
      `[${OWN}]:9000`,
    ]);
    expect(reachableAddresses(own, [])).toEqual(["10.0.0.1:9000"]);
  });

  it("is not cut off by many others, and told once", () => {
    const many = Array.from({ length: 20 }, (_, at) => `10.0.0.${at}`);
    const told = reachableAddresses({ host: "0.0.0.0", port: 1, overlayHosts }, many);
    expect(told).toHaveLength(ADDRESSES_BEFORE_OVERLAY_MAX + 1);
    expect(told.at(-1)).toBe(`[${OWN}]:1`);
    const cards = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const card = cards.find(({ internal, family }) => !internal && family === "IPv4")?.address;
    if (card === undefined) return;
    const asCard = { host: "0.0.0.0", port: 1, overlayHosts: () => [card] };
    const seen = reachableAddresses(asCard, []);
    expect(seen.filter((address) => address === `${card}:1`)).toHaveLength(1);
    expect(seen.at(-1)).toBe(`${card}:1`);
  });
});

describe("links over an overlay", () => {
  const opened: string[] = [];
  let refusals = 0;
  let changes = 0;
  const timers: (() => void)[] = [];
  const overlay = new TestOverlay();
  const links = new OverlayLinks({
    overlay,
    doors: {
      openAt: async (host) => {
        if (refusals-- > 0) throw new Error("EADDRNOTAVAIL");
        opened.push(host);
      },
    },
    onChanged: () => changes++,
    clock: {
      setTimeout: (task: () => void) => {
        timers.push(task);
        const cancel = () => {
          if (timers.includes(task)) timers.splice(timers.indexOf(task), 1);
        };
        return { cancel };
      },
    } as never,
    log: { debug: () => undefined } as never,
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it("are opened when the system has its address, and others are dialled", async () => {
    overlay.phase = "starting";
    await links.start();
    expect([opened, changes]).toEqual([[], 0]);
    refusals = 1;
    overlay.become("up", []);
    await settled();
    // Nobody is connected yet: there is nobody to dial.
    expect([opened, changes, timers.length]).toEqual([[], 0, 1]);
    timers.pop()?.();
    await settled();
    expect(opened).toEqual([OWN]);
    overlay.become("up", [PEER]);
    expect(changes).toBe(1);
    // Again a few times; peers that come and go meanwhile do not lead to more at once.
    for (let times = 0; times < 5; times++) overlay.become("up", [PEER]);
    expect([changes, timers.length]).toEqual([1, 1]);
    for (const _gap of OVERLAY_TELL_GAPS_MS) timers.pop()?.();
    expect(changes).toBe(1 + OVERLAY_TELL_GAPS_MS.length);
    timers.pop()?.();
    expect(timers).toEqual([]);
    changes = 0;
    overlay.become("down");
    overlay.become("up", [PEER]);
    expect([changes, timers.length]).toEqual([1, 1]);
    await links.stop();
    expect(timers).toEqual([]);
    overlay.become("up", [PEER]);
    expect(changes).toBe(1);
  });
});
