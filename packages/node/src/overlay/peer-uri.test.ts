import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OVERLAY_URI_LENGTH_MAX } from "./limits.js";
import { shownLine, shownUri, whyNoListener, whyNoPeer } from "./peer-uri.js";

const KEY = "ff".repeat(32);

describe("an address of a peer", () => {
  it.each([
    "tcp://203.0.113.9:9010",
    "tls://[2001:db8::1]:9010",
    `tls://node-b:9010?key=${KEY}&priority=1&sni=node-b`,
    "quic://node-b:443",
    "wss://node-b:443/path",
    "socks://127.0.0.1:9050/node-b:9010",
    "socks://user:word@127.0.0.1:9050/node-b:9010",
    "unix:///run/peer.sock",
  ])("may be %s", (uri) => {
    expect(whyNoPeer(uri)).toBeUndefined();
  });

  it.each([
    ["", "does not begin with"],
    ["203.0.113.9:9010", "does not begin with"],
    ["udp://203.0.113.9:9010", "does not begin with"],
    ["TCP://203.0.113.9:9010", "does not begin with"],
    ["tcp://203.0.113.9", "is not tcp://host:port"],
    ["tcp://:9010", "is not tcp://host:port"],
    ["tcp://203.0.113.9:99999", "is not tcp://host:port"],
    ["tcp://203.0.113.9:9010/path", "is not tcp://host:port"],
    ["tcp://a b:9010", "has a character that no address has"],
    ['tcp://a:1\n"', "has a character that no address has"],
    ["tcp://a:1;rm", "is not tcp://host:port"],
    ["socks://127.0.0.1:9050", "is not socks://proxy:port/host:port"],
    ["socks://user:w%zzrd@127.0.0.1:1/b:2", "is not socks://proxy:port/host:port"],
    ['socks://user:w"rd@127.0.0.1:1/b:2', "is not socks://proxy:port/host:port"],
    ["wss://node-b:443/%zz", "is not wss://host:port"],
    ["unix://relative", "is not unix:///path"],
    ["tls://node-b:9010?kee=1", "option that is not known: kee"],
    [`tcp://${"a".repeat(OVERLAY_URI_LENGTH_MAX)}:1`, "is longer than"],
  ])("is not %j: it %s", (uri, reason) => {
    expect(whyNoPeer(uri)).toContain(reason);
  });

  it("is shown without what may be secret", () => {
    expect(shownUri("tls://b:1?password=word&key=k")).toBe("tls://b:1");
    expect(shownUri("socks://user:word@p:1/b:2")).toBe("socks://p:1/b:2");
    // What the check lets through has no more to show.
    const odd = "socks://user:wo@rd@127.0.0.1:1/b:2";
    expect(whyNoPeer(odd)).toBeUndefined();
    expect(shownUri(odd)).toBe("socks://127.0.0.1:1/b:2");
    expect(shownUri("socks://user:wo/rd@p:1/b:2")).toBe("socks://p:1/b:2");
    expect(shownLine(`Failed to parse peer url: ${odd} and "tls://b:1?password=word": no`)).toBe(
      'Failed to parse peer url: socks://127.0.0.1:1/b:2 and "tls://b:1": no',
    );
    expect(whyNoPeer("tls://b?password=word")).not.toContain("word");
    expect(whyNoPeer("socks://user:word@p/b:2")).not.toContain("word");
  });

  it("never makes the check throw, whatever it is", () => {
    const scheme = fc.constantFrom("", "tcp://", "socks://", "unix://", "wss://");
    fc.assert(
      fc.property(scheme, fc.string({ maxLength: 40 }), (start, rest) => {
        const reason = whyNoPeer(`${start}${rest}`);
        // Safe to print, whatever it was.
        expect(reason ?? "").not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});

describe("a place to listen", () => {
  it("is one that others can dial", () => {
    expect(whyNoListener("tls://[::]:9010")).toBeUndefined();
    expect(whyNoListener("socks://127.0.0.1:9050/b:1")).toContain("does not begin with");
    expect(whyNoListener("tcp://0.0.0.0")).toContain("is not tcp://host:port");
  });
});
