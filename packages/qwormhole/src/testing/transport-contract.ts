/**
 * What every transport has to do, as tests for any runner. Memory, TCP, TLS and the simulator pass
 * it. It imports no runner: hand in `describe` and `it` of yours.
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { dialLink } from "../dial-link.js";
import { isQWormholeError, type QWormholeErrorCode } from "../errors.js";
import type { LinkIdentity, LinkOptions } from "../link.js";
import { listenLinks } from "../listen-links.js";
import type { Address, Transport } from "../transport.js";
import { expectedBytes, Probe, patternBytes } from "./channel-probe.js";

export interface ContractHarness {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
}

/** One freshly made network for one test. */
export interface TransportFixture {
  readonly transport: Transport;
  /** Another machine of the same network, when dialling and listening differ; else `transport`. */
  readonly dialTransport?: Transport;
  /** Where to listen; port 0 lets the transport choose. */
  readonly address: Address;
  /** An address where nobody listens. */
  readonly nobody: Address;
  readonly dialerIdentity: LinkIdentity;
  readonly listenerIdentity: LinkIdentity;
  /** Clock and randomness, where they are virtual. */
  readonly linkOptions?: Pick<LinkOptions, "clock" | "random">;
  close?(): Promise<void>;
}

export interface TransportContractOptions {
  readonly name: string;
  open(): Promise<TransportFixture>;
  /** Channels carry a secret binding and certificates. */
  readonly hasBinding: boolean;
  readonly hasCertificates: boolean;
  /** Runs a test while moving a virtual clock. */
  drive?(work: () => Promise<void>): Promise<void>;
}

export function transportContract(
  harness: ContractHarness,
  options: TransportContractOptions,
): void {
  const check = (name: string, body: (fixture: TransportFixture) => Promise<void>) => {
    harness.it(name, async () => {
      const fixture = await options.open();
      const drive = options.drive ?? ((work: () => Promise<void>) => work());
      try {
        await drive(() => body(fixture));
      } finally {
        await fixture.close?.();
      }
    });
  };
  harness.describe(`transport contract: ${options.name}`, () => {
    addressCases(check);
    byteCases(check);
    factCases(check, options);
    flowCases(check);
    endingCases(check);
    linkCases(check);
  });
}

type Check = (name: string, body: (fixture: TransportFixture) => Promise<void>) => void;

interface Pair {
  readonly dialer: Probe;
  readonly listener: Probe;
  close(): Promise<void>;
}

async function connectPair(fixture: TransportFixture): Promise<Pair> {
  const { transport, dialTransport = transport } = fixture;
  let accept: (probe: Probe) => void = () => {};
  const accepted = new Promise<Probe>((resolve) => {
    accept = resolve;
  });
  const listening = await transport.listen(fixture.address, (channel) =>
    accept(new Probe(channel)),
  );
  const dialer = new Probe(await dialTransport.dial(listening.address));
  const listener = await accepted;
  return {
    dialer,
    listener,
    async close() {
      dialer.channel.destroy();
      listener.channel.destroy();
      await listening.close();
    },
  };
}

function coded(code: QWormholeErrorCode): (error: unknown) => boolean {
  return (error) => isQWormholeError(error, code);
}

function addressCases(check: Check): void {
  check("refuses a dial where nobody listens", async ({ transport, dialTransport, nobody }) => {
    await rejects((dialTransport ?? transport).dial(nobody), coded("QW_DIAL_REFUSED"));
  });

  check("refuses a second listener, with the port in the message", async (fixture) => {
    const { transport } = fixture;
    const first = await transport.listen(fixture.address, () => {});
    await rejects(
      transport.listen(first.address, () => {}),
      (error: Error) => {
        ok(coded("QW_ADDRESS_IN_USE")(error));
        return error.message.includes(String(first.address.port));
      },
    );
    await first.close();
  });

  check("gives up a dial whose signal was aborted", async (fixture) => {
    const { transport, dialTransport = transport } = fixture;
    const listening = await transport.listen(fixture.address, (channel) => void new Probe(channel));
    const signal = AbortSignal.abort();
    await rejects(dialTransport.dial(listening.address, { signal }), coded("QW_CANCELLED"));
    await listening.close();
  });

  check("stops accepting when the listener closes, and keeps channels", async (fixture) => {
    const { transport, dialTransport = transport } = fixture;
    const probes: Probe[] = [];
    const listening = await transport.listen(fixture.address, (channel) => {
      probes.push(new Probe(channel));
    });
    const dialer = new Probe(await dialTransport.dial(listening.address));
    dialer.channel.write([patternBytes(1)]);
    await dialer.waitFor(() => probes[0]?.bytes === 1);
    await listening.close();
    await rejects(dialTransport.dial(listening.address));
    dialer.channel.write([patternBytes(9, 1)]);
    await probes[0]?.waitForBytes(10);
    dialer.channel.destroy();
    await probes[0]?.closed;
  });
}

function byteCases(check: Check): void {
  const sizes = [1, 0, 7, 1000, 16_384, 65_536, 3, 300_000, 1];
  check("delivers bytes in order, both ways, in pieces of any size", async (fixture) => {
    const pair = await connectPair(fixture);
    let total = 0;
    for (const size of sizes) {
      pair.dialer.channel.write([patternBytes(size, total), patternBytes(5, total + size)]);
      pair.listener.channel.write([patternBytes(size, total), patternBytes(5, total + size)]);
      total += size + 5;
    }
    await pair.listener.waitForBytes(total);
    await pair.dialer.waitForBytes(total);
    equal(pair.listener.digest(), expectedBytes(total));
    equal(pair.dialer.digest(), expectedBytes(total));
    await pair.close();
  });

  check("keeps no reference to what was written, where it says so", async (fixture) => {
    const pair = await connectPair(fixture);
    const { channel } = pair.dialer;
    if (channel.copiesWrites === true) {
      let total = 0;
      // All but the first are written while another one is still under way.
      for (const sizes of [[9000], [70_000], [5, 300_000], [40_000, 3], [1]]) {
        const pieces = sizes.map((size) => {
          total += size;
          return patternBytes(size, total - size);
        });
        channel.write(pieces);
        for (const piece of pieces) piece.fill(0);
      }
      await pair.listener.waitForBytes(total);
      equal(pair.listener.digest(), expectedBytes(total));
    }
    await pair.close();
  });

  check("does not hand on later changes of what was received", async (fixture) => {
    const pair = await connectPair(fixture);
    pair.dialer.channel.write([patternBytes(2000)]);
    await pair.listener.waitForBytes(2000);
    const before = pair.listener.digestOfKept();
    pair.dialer.channel.write([patternBytes(200_000, 2000)]);
    await pair.listener.waitForBytes(202_000);
    equal(pair.listener.digestOfKept(2000), before);
    await pair.close();
  });
}

function factCases(check: Check, options: TransportContractOptions): void {
  check("gives both ends the same 32 bytes of binding", async (fixture) => {
    const first = await connectPair(fixture);
    const binding = Buffer.from(first.dialer.channel.binding);
    equal(binding.length, 32);
    deepEqual(Buffer.from(first.listener.channel.binding), binding);
    await first.close();
    const second = await connectPair(fixture);
    const other = Buffer.from(second.dialer.channel.binding);
    equal(other.equals(binding), !options.hasBinding);
    await second.close();
  });

  check("tells addresses and certificates", async (fixture) => {
    const pair = await connectPair(fixture);
    for (const { channel } of [pair.dialer, pair.listener]) {
      ok(channel.remoteAddress.length > 0);
      ok(channel.localAddress.length > 0);
      equal(channel.peerCertificates.length > 0, options.hasCertificates);
    }
    await pair.close();
  });
}

function flowCases(check: Check): void {
  check("pushes back when the peer does not read, and drains when it does", async (fixture) => {
    const pair = await connectPair(fixture);
    pair.listener.channel.pause();
    const piece = patternBytes(65_536);
    let sent = 0;
    let pushedBack = false;
    for (let count = 0; count < 2000 && !pushedBack; count++) {
      pushedBack = !pair.dialer.channel.write([piece]);
      sent += piece.length;
    }
    ok(pushedBack, "write() never answered false");
    ok(pair.dialer.channel.bufferedBytes > 0);
    pair.listener.channel.resume();
    await pair.dialer.waitFor(() => pair.dialer.drains > 0);
    await pair.listener.waitForBytes(sent);
    equal(pair.listener.bytes, sent);
    await pair.close();
  });

  check("delivers nothing while paused", async (fixture) => {
    const pair = await connectPair(fixture);
    pair.listener.channel.pause();
    pair.dialer.channel.write([patternBytes(100)]);
    pair.listener.channel.write([patternBytes(100)]);
    await pair.dialer.waitForBytes(100);
    equal(pair.listener.bytes, 0);
    pair.listener.channel.resume();
    await pair.listener.waitForBytes(100);
    await pair.close();
  });
}

function endingCases(check: Check): void {
  check("sends what was written before it ends", async (fixture) => {
    const pair = await connectPair(fixture);
    for (let count = 0; count < 16; count++) {
      pair.dialer.channel.write([patternBytes(65_536, count * 65_536)]);
    }
    pair.dialer.channel.end();
    equal(await pair.listener.closed, undefined);
    equal(await pair.dialer.closed, undefined);
    equal(pair.listener.bytes, 16 * 65_536);
    equal(pair.listener.digest(), expectedBytes(16 * 65_536));
    equal(pair.listener.closes, 1);
    equal(pair.dialer.closes, 1);
    await pair.close();
  });

  check("destroys at once, tells both ends, and takes calls after that", async (fixture) => {
    const pair = await connectPair(fixture);
    const error = new Error("enough");
    pair.dialer.channel.destroy(error);
    equal(await pair.dialer.closed, error);
    await pair.listener.closed;
    for (const { channel } of [pair.dialer, pair.listener]) {
      equal(channel.write([patternBytes(10)]), false);
      channel.end();
      channel.destroy();
    }
    equal(pair.dialer.closes, 1);
    equal(pair.listener.closes, 1);
    await pair.close();
  });
}

function linkCases(check: Check): void {
  check(
    "carries a link: requests, a stream both ways, messages, an orderly end",
    async (fixture) => {
      const { transport, dialTransport = transport, linkOptions = {} } = fixture;
      let gotMessage: (text: string) => void = () => {};
      const message = new Promise<string>((resolve) => {
        gotMessage = resolve;
      });
      const listening = await listenLinks(
        transport,
        fixture.address,
        {
          ...linkOptions,
          identity: fixture.listenerIdentity,
          tags: { roles: ["storage"] },
          handlers: {
            onRequest: async (request) => request.body,
            onMessage: (data) => gotMessage(Buffer.from(data).toString()),
            async onStream(stream) {
              for await (const piece of stream.readable) await stream.write(piece);
            },
          },
        },
        () => {},
      );
      const link = await dialLink(dialTransport, listening.address, {
        ...linkOptions,
        identity: fixture.dialerIdentity,
        handlers: {},
      });
      deepEqual(link.peer.tags, { roles: ["storage"] });
      const body = patternBytes(100_000);
      deepEqual(Buffer.from(await link.request("echo", body)), Buffer.from(body));
      link.send(Buffer.from("hello"));
      equal(await message, "hello");
      const stream = await link.openStream("echo", new Uint8Array(0));
      const total = 3 << 20;
      let echoed = 0;
      const reading = (async () => {
        for await (const piece of stream.readable) echoed += piece.length;
      })();
      for (let sent = 0; sent < total; sent += 1 << 18) await stream.write(patternBytes(1 << 18));
      stream.end();
      await reading;
      equal(echoed, total);
      await link.close("done");
      deepEqual(await link.closed, { error: undefined });
      await listening.close();
    },
  );
}
