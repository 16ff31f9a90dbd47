import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isQWormholeError } from "./errors.js";
import { encodeFrame, FrameType } from "./frames.js";
import { memoryTransport } from "./memory-transport.js";
import { linkPair, settle } from "./testing/index.js";
import type { Channel, Transport } from "./transport.js";

const frame = fc.record({
  type: fc.oneof(fc.constantFrom(...Object.values(FrameType)), fc.integer({ min: 0, max: 255 })),
  channel: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 0x7fff_ffff })),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    // The beginning of well-formed requests and stream openings.
    fc.uint8Array({ maxLength: 20 }).map((tail) => Uint8Array.from([3, 1, 65, ...tail])),
    fc.uint8Array({ maxLength: 20 }).map((tail) => Uint8Array.from([9, 1, 1, 65, ...tail])),
  ),
});

describe("an open link", () => {
  it("survives or ends in order whatever frames a verified peer sends", async () => {
    const property = fc.asyncProperty(fc.array(frame, { maxLength: 40 }), async (frames) => {
      const inner = memoryTransport();
      let dialled: Channel | undefined;
      const transport: Transport = {
        listen: (address, onChannel) => inner.listen(address, onChannel),
        dial: async (address) => {
          dialled = await inner.dial(address);
          return dialled;
        },
      };
      const handlers = {
        onRequest: async ({ body }: { body: Uint8Array }) => body,
        onMessage() {},
        async onStream(stream: { readable: AsyncIterable<Uint8Array> }) {
          for await (const _ of stream.readable);
        },
      };
      const { listener } = await linkPair({}, { handlers }, transport);
      const open = await listener.openStream("x", new Uint8Array(0));
      const request = listener.request("x", new Uint8Array(1)).catch((error) => error);
      for (const { type, channel, payload } of frames) {
        dialled?.write([encodeFrame(type, channel, payload)]);
      }
      await settle();
      const wasOpen = listener.isOpen;
      listener.destroy(new Error("the test is over"));
      const { error } = await listener.closed;
      if (!wasOpen && error !== undefined && error.message !== "the test is over") {
        expect(isQWormholeError(error)).toBe(true);
      }
      await request;
      expect(open.signal.aborted || listener.inspect().openStreams === 0).toBe(true);
      expect(listener.inspect().openRequests).toBe(0);
    });
    await fc.assert(property, { numRuns: 120 });
  });
});
