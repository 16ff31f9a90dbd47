import type { NodeId } from "@hearthmesh/core";
import { isMeshError, parseNodeId } from "@hearthmesh/core";
import { linkPair } from "@hearthmesh/qwormhole/testing";
import { describe, expect, it } from "vitest";
import type { Claim, NodeRecord } from "../swim/messages.js";
import { id, record } from "../testing/wire-fixtures.js";
import { EXCHANGE_PAGE_NODES_MAX } from "./limits.js";
import { type ExchangedView, ViewExchange } from "./view-exchange.js";

/** A view that takes everything, with a certificate for each node. */
class PlainView implements ExchangedView {
  readonly records = new Map<NodeId, NodeRecord>();
  readonly certificates = new Set<string>();
  claimsMax = 0;

  constructor(numbers: readonly number[]) {
    for (const number of numbers) this.add({ ...record(number, 100), nodeId: id(number) });
  }

  add(one: NodeRecord): void {
    this.records.set(one.nodeId, one);
    this.certificates.add(one.nodeId);
  }

  summary() {
    return [...this.records.values()].map(({ nodeId, incarnation }) => ({
      ...{ nodeId, incarnation, state: "alive" as const },
    }));
  }

  claimsAbout(nodeId: NodeId): Claim[] {
    const known = this.records.get(nodeId);
    return known === undefined ? [] : [{ kind: "self", record: known }];
  }

  certificateOf(nodeId: NodeId): Uint8Array | undefined {
    return this.certificates.has(nodeId) ? Buffer.from(nodeId) : undefined;
  }

  ownCertificate(): Uint8Array {
    return Buffer.from("own");
  }

  takeCertificates(certificates: readonly Uint8Array[]): void {
    for (const der of certificates) this.certificates.add(Buffer.from(der).toString());
  }

  takeClaims(claims: readonly Claim[]): void {
    this.claimsMax = Math.max(this.claimsMax, claims.length);
    for (const claim of claims) {
      if (claim.kind === "self") this.records.set(claim.record.nodeId, claim.record);
    }
  }
}

async function exchangeOf(mine: PlainView, theirs: PlainView) {
  const here = new ViewExchange(mine);
  const there = new ViewExchange(theirs);
  let requests = 0;
  let bytesMax = 0;
  const pair = await linkPair(
    {},
    {
      handlers: {
        onRequest: ({ body, peer }) => {
          requests++;
          const answer = there.answer(body, parseNodeId(peer.nodeId));
          const size = answer instanceof Uint8Array ? answer.length : Buffer.concat(answer).length;
          bytesMax = Math.max(bytesMax, body.length, size);
          return answer;
        },
      },
    },
  );
  const run = () => here.run(pair.dialer);
  const done = async () => {
    await pair.dialer.close();
    await pair.server.close();
  };
  return { run, done, here, cost: () => ({ requests, bytesMax }) };
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

describe("an exchange of views", () => {
  it("gives both sides what either knew, with certificates, page by page", async () => {
    const [mine, theirs] = [new PlainView(range(1, 700)), new PlainView(range(500, 1500))];
    mine.add({ ...record(600, 0), incarnation: 99 });
    theirs.add({ ...record(650, 0), incarnation: 99 });
    const exchange = await exchangeOf(mine, theirs);
    await exchange.run();
    for (const view of [mine, theirs]) {
      expect(view.records.size).toBe(1499);
      for (const number of [600, 650]) expect(view.records.get(id(number))?.incarnation).toBe(99);
      for (const nodeId of view.records.keys()) expect(view.certificates.has(nodeId)).toBe(true);
      expect(view.claimsMax).toBeLessThanOrEqual(EXCHANGE_PAGE_NODES_MAX);
    }
    const { requests, bytesMax } = exchange.cost();
    expect(requests).toBe(1 + Math.ceil(801 / EXCHANGE_PAGE_NODES_MAX));
    expect(bytesMax).toBeLessThan(1 << 20);
    await exchange.done();
  });

  it("costs one small request when the views are the same", async () => {
    const exchange = await exchangeOf(new PlainView(range(1, 500)), new PlainView(range(1, 500)));
    await exchange.run();
    const { requests, bytesMax } = exchange.cost();
    expect(requests).toBe(1);
    expect(bytesMax).toBeLessThan(200);
    await exchange.done();
  });

  it("is shared when it is under way, and tells what failed in our words", async () => {
    const exchange = await exchangeOf(new PlainView([1]), new PlainView([2]));
    const first = exchange.run();
    expect(exchange.run()).toBe(first);
    await first;
    expect(exchange.here.runningCount).toBe(0);
    await exchange.done();
    const failure = await exchange.run().catch((error: unknown) => error);
    expect(isMeshError(failure)).toBe(true);
    expect(exchange.here.runningCount).toBe(0);
  });
});
