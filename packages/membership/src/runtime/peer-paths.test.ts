import { describe, expect, it } from "vitest";
import { id } from "../testing/wire-fixtures.js";
import { UDP_RETRY_MS, UDP_SOURCE_MS_MAX } from "./limits.js";
import { PeerPaths } from "./peer-paths.js";

const DOUBT_MS = 50;
const PING = { to: id(1), isPing: true, address: "10.0.0.1:7946", canSeal: true, hasLink: true };
const GOSSIP = { ...PING, isPing: false };
const UDP = { udp: PING.address, link: false };
const BOTH = { udp: PING.address, link: true };
const LINK = { udp: undefined, link: true };

describe("the path to a peer", () => {
  it("is UDP until a ping stays without an answer, then the link too", () => {
    const paths = new PeerPaths(DOUBT_MS);
    expect(paths.choose(PING, 0)).toEqual(UDP);
    expect(paths.choose(PING, DOUBT_MS - 1)).toEqual(UDP);
    expect(paths.choose(PING, DOUBT_MS + UDP_RETRY_MS)).toEqual(BOTH);
    expect(paths.choose(GOSSIP, DOUBT_MS + UDP_RETRY_MS + 1)).toEqual(LINK);
    expect(paths.choose(GOSSIP, DOUBT_MS + 2 * UDP_RETRY_MS)).toEqual(BOTH);
  });

  it("is UDP again when an answer came there, and not for what else comes", () => {
    const paths = new PeerPaths(DOUBT_MS);
    paths.choose(PING, 0);
    paths.heardUdp(id(1), PING.address, false, 10);
    expect(paths.choose(PING, 100)).toEqual(LINK);
    paths.heardUdp(id(1), PING.address, true, 110);
    expect(paths.choose(PING, 120)).toEqual(UDP);
  });

  it("is both all the time while no link is open: one may come", () => {
    const paths = new PeerPaths(DOUBT_MS);
    const alone = { ...PING, hasLink: false };
    paths.choose(alone, 0);
    for (const nowMs of [100, 101, 102]) expect(paths.choose(alone, nowMs)).toEqual(BOTH);
  });

  it("is the link alone without a seal, and nothing that is no ping makes a doubt", () => {
    const paths = new PeerPaths(DOUBT_MS);
    expect(paths.choose({ ...PING, canSeal: false }, 0)).toEqual(LINK);
    paths.choose(GOSSIP, 0);
    expect(paths.choose(GOSSIP, 1000)).toEqual(UDP);
  });

  it("leads to where the peer was last heard, for a while, and its record's address then", () => {
    const paths = new PeerPaths(DOUBT_MS);
    const source = "203.0.113.7:40000";
    paths.heardUdp(id(1), source, true, 0);
    expect(paths.choose(PING, UDP_SOURCE_MS_MAX - 1).udp).toBe(source);
    expect(paths.choose(PING, UDP_SOURCE_MS_MAX).udp).toBe(PING.address);
    paths.heardUdp(id(1), source, true, 50_000);
    paths.reset(id(1));
    expect(paths.choose(PING, 50_001).udp).toBe(PING.address);
    paths.forget(id(1));
    expect(paths.get(id(1))).toBeUndefined();
  });
});
