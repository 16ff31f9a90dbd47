/** One peer cannot take all links of a node, whatever keys it makes. */
import { limits } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { LinkPlaces } from "./link-places.js";

function linkOf(kind: string, trustDomain: string, key: number) {
  let end: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    end = resolve;
  });
  const made = { closed, end, ended: undefined as unknown };
  const destroy = (error: unknown) => {
    made.ended = error;
    end();
  };
  const peer = { nodeId: `key ${key}`, identity: { kind, trustDomain, nodeId: `key ${key}` } };
  return Object.assign(made, { peer, destroy }) as typeof made & Link;
}

describe("places for links", () => {
  it("are bounded for a peer as a whole, and free again when a link ends", async () => {
    const places = new LinkPlaces();
    const links = Array.from({ length: limits.LINKS_OF_MEMBER_MAX }, (_, key) =>
      linkOf("foreign", "garage.bob", key),
    );
    expect(links.every((link) => places.take(link))).toBe(true);
    const more = linkOf("foreign", "garage.bob", -1);
    expect(places.take(more)).toBe(false);
    expect(more.ended).toMatchObject({ code: "MESH_LIMIT" });
    expect(places.take(linkOf("foreign", "office.dave", 1))).toBe(true);
    expect(places.take(linkOf("node", "home.alice", 1))).toBe(true);
    links[0]?.end();
    await links[0]?.closed;
    await Promise.resolve();
    expect(places.take(linkOf("foreign", "garage.bob", -2))).toBe(true);
  });
});
