/** How many connections one member may have; the rest is in `foreign-door.test.ts`. */
import { EventEmitter } from "node:events";
import { TLSSocket } from "node:tls";
import { limits } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import { PeerChains } from "./peer-chains.js";

/** A connection whose certificate says no more than who it is. */
function connection(kind: string, trustDomain: string, key: number) {
  const events = new EventEmitter();
  const raw = Buffer.from(JSON.stringify({ kind, trustDomain, nodeId: `key ${key}` }));
  const made = { isEnded: false, end: () => void events.emit("close") };
  const destroy = () => {
    made.isEnded = true;
  };
  const socket: TLSSocket = Object.create(TLSSocket.prototype, {
    authorized: { value: true },
    getPeerCertificate: { value: () => ({ raw }) },
    once: { value: events.once.bind(events) },
    destroy: { value: destroy },
  });
  return Object.assign(made, { socket });
}

describe("connections to the API", () => {
  it("are bounded for a peer as a whole, and for nobody of this member", () => {
    const principal = ([der]: readonly Uint8Array[]) =>
      JSON.parse(Buffer.from(der ?? []).toString()) as Principal;
    const chains = new PeerChains({ principal });
    const ask = (one: ReturnType<typeof connection>) => chains.principalOf(one.socket);
    const open = Array.from({ length: limits.LINKS_OF_MEMBER_MAX }, (_, key) =>
      connection("foreign", "garage.bob", key),
    );
    for (const one of open) ask(one);
    const more = connection("foreign", "garage.bob", -1);
    expect(() => ask(more)).toThrow(expect.objectContaining({ code: "MESH_LIMIT" }));
    expect(more.isEnded).toBe(true);
    for (const one of open) ask(one);
    ask(connection("foreign", "office.dave", 1));
    ask(connection("person", "home.alice", 1));
    open[0]?.end();
    ask(connection("foreign", "garage.bob", -2));
  });
});
