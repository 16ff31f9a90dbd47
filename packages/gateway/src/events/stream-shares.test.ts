import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Caller } from "../server/policy.js";
import { EVENT_STREAMS_MAX, EVENT_STREAMS_OF_ONE_MAX } from "./limits.js";
import { LOCAL_OPERATOR, StreamShares, streamOwner } from "./stream-shares.js";

const other = (id: string) => ({ id, isLocalOperator: false });
const principal = { spiffeId: "spiffe://alice/node/b" } as Caller["principal"];

describe("the places of event streams", () => {
  it("are for one caller so many and no more, and for others all the same", () => {
    const shares = new StreamShares();
    const back = Array.from({ length: EVENT_STREAMS_OF_ONE_MAX }, () => shares.take(other("a")));
    expect(() => shares.take(other("a"))).toThrow(/you have 16 event streams open/);
    shares.take(other("b"));
    back[0]?.();
    back[0]?.();
    shares.take(other("a"));
    expect(() => shares.take(other("a"))).toThrow(/you have 16/);
  });

  it("are kept for the operator of this machine, however many others come", () => {
    const shares = new StreamShares();
    let taken = 0;
    for (; taken < EVENT_STREAMS_MAX; taken++) {
      try {
        shares.take(other(`caller ${taken}`));
      } catch {
        break;
      }
    }
    expect(taken).toBe(EVENT_STREAMS_MAX - EVENT_STREAMS_OF_ONE_MAX);
    for (let at = 0; at < EVENT_STREAMS_OF_ONE_MAX; at++) shares.take(LOCAL_OPERATOR);
    expect(() => shares.take(LOCAL_OPERATOR)).toThrow(/you have/);
  });

  it("never are more than there are, and the operator always gets his, whatever happens", () => {
    const action = fc.record({ who: fc.nat(9), isEnd: fc.boolean() });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const shares = new StreamShares();
        const open: { who: number; end: () => void }[] = [];
        for (const { who, isEnd } of actions) {
          const at = open.findIndex((one) => one.who === who);
          if (isEnd && at >= 0) open.splice(at, 1)[0]?.end();
          if (isEnd) continue;
          const owner = who === 0 ? LOCAL_OPERATOR : other(`${who}`);
          const own = open.filter((one) => one.who === who).length;
          try {
            open.push({ who, end: shares.take(owner) });
          } catch {
            if (who === 0) expect(own).toBe(EVENT_STREAMS_OF_ONE_MAX);
          }
          expect(open.length).toBeLessThanOrEqual(EVENT_STREAMS_MAX);
        }
      }),
    );
  });

  it("belong to an identity, and to an address where there is none", () => {
    const caller = { principal, proved: false, operator: true };
    expect(streamOwner(caller, "127.0.0.1")).toBe(LOCAL_OPERATOR);
    expect(streamOwner({ ...caller, keyId: "k" }, "127.0.0.1").id).toBe("key k");
    expect(streamOwner({ ...caller, proved: true }, "10.0.0.2")).toEqual(other(principal.spiffeId));
    const viewer = { principal, proved: false, operator: false };
    expect(streamOwner(viewer, "10.0.0.2")).toEqual(other("address 10.0.0.2"));
  });
});
