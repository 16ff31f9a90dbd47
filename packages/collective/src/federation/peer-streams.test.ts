/** What `PeerStreams` does by itself: judging every piece, and its limit. */
import { encodeMessage, limits, MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import type { Entry } from "../types.js";
import { PEER_READ, PEER_WRITE, PeerStreams } from "./peer-streams.js";

const carol = {
  kind: "foreign",
  foreignKind: "person",
  name: "carol@home.alice",
  trustDomain: "home.alice.example" as TrustDomain,
  nodeId: "c".repeat(52) as NodeId,
} as Principal;

/** One stream as the link gives it. */
class TestStream {
  readonly peer: { nodeId: NodeId; identity: Principal };
  readonly header = Buffer.concat(encodeMessage({ path: "/film" }));
  readonly signal = new AbortController().signal;
  written = 0;
  code: string | undefined;

  constructor(
    readonly method: string,
    readonly readable: AsyncIterable<Uint8Array> = (async function* () {})(),
    nodeId = carol.nodeId,
  ) {
    this.peer = { nodeId, identity: { ...carol, nodeId } };
  }

  async write(): Promise<void> {
    this.written++;
  }

  end(): void {
    this.code ??= "ended";
  }

  reset(code: string): void {
    this.code ??= code;
  }
}

async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) yield Buffer.concat([...encodeMessage({ sizeBytes: 1 }), Buffer.of(0)]);
}

/** Allows so many questions. */
function allowing(count: number) {
  let left = count;
  return {
    authorize() {
      if (left-- <= 0) throw new MeshError("MESH_FORBIDDEN");
    },
  };
}

const files = {
  read: async () => ({ entry: {} as Entry, stream: endless() }),
  async write(_path: string, source: AsyncIterable<Uint8Array>) {
    for await (const _ of source);
    return {} as Entry;
  },
};

async function serve(streams: PeerStreams, stream: TestStream): Promise<void> {
  await streams.handlers().onStream?.(stream as unknown as LinkStream);
}

describe("bytes by the coordinator", () => {
  it("flow as long as the right is there, piece by piece", async () => {
    for (const method of [PEER_READ, PEER_WRITE]) {
      const stream = new TestStream(method, endless());
      await serve(new PeerStreams({ files: () => files, access: allowing(5) }), stream);
      expect([method, stream.code]).toEqual([method, "MESH_FORBIDDEN"]);
    }
  });

  it("of a write that broke off are not a file", async () => {
    const stream = new TestStream(PEER_WRITE);
    await serve(new PeerStreams({ files: () => files, access: allowing(5) }), stream);
    expect([stream.code, stream.written]).toEqual(["MESH_CANCELLED", 0]);
  });

  it("are bounded in their number for one caller", async () => {
    let release: (error: Error) => void = () => undefined;
    const held = new Promise<never>((_, reject) => {
      release = reject;
    });
    const stuck = { ...files, read: () => held };
    const streams = new PeerStreams({ files: () => stuck, access: allowing(0) });
    const open = Array.from({ length: limits.PEER_STREAMS_MAX }, () =>
      serve(streams, new TestStream(PEER_READ)),
    );
    const oneMore = new TestStream(PEER_READ);
    await serve(streams, oneMore);
    expect(oneMore.code).toBe("MESH_LIMIT");
    release(new MeshError("MESH_CANCELLED"));
    await Promise.all(open);
    const after = new TestStream(PEER_READ);
    await serve(streams, after);
    expect(after.code).toBe("MESH_CANCELLED");
  });

  it("are bounded for all people of one member together", async () => {
    let release: (error: Error) => void = () => undefined;
    const held = new Promise<never>((_, reject) => {
      release = reject;
    });
    const stuck = { ...files, read: () => held };
    const streams = new PeerStreams({ files: () => stuck, access: allowing(0) });
    const byPerson = (number: number) =>
      new TestStream(PEER_READ, undefined, `${number}`.padStart(52, "c") as NodeId);
    const open = Array.from({ length: limits.PEER_STREAMS_OF_MEMBER_MAX }, (_, number) =>
      serve(streams, byPerson(number)),
    );
    const oneMore = byPerson(limits.PEER_STREAMS_OF_MEMBER_MAX);
    await serve(streams, oneMore);
    expect(oneMore.code).toBe("MESH_LIMIT");
    release(new MeshError("MESH_CANCELLED"));
    await Promise.all(open);
  });
});
