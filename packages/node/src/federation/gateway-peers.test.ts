/** Whom the gateway goes to, for whom, and over which links. What these lead to is made up. */
import {
  encodeMessage,
  type MemberId,
  MeshError,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CredentialHolder } from "../credential-holder.js";
import { GatewayPeers, type GatewayPeersOptions } from "./gateway-peers.js";

const BOB = "garage.bob" as TrustDomain;
const bobsNode = "b".repeat(52) as NodeId;
const record = {
  ...{ v: 1, alias: "bob", memberId: "bob" as MemberId, trustDomain: BOB, caCertificatesPem: [] },
  coordinators: [
    {
      ...{ nodeId: bobsNode, name: "bob-coordinator", apiAddresses: [], enrolmentAddresses: [] },
      linkAddresses: ["127.0.0.1:9000"],
    },
  ],
};
const principal = (kind: Principal["kind"], name = "carol@home.alice"): Principal => ({
  ...{ kind, name, spiffeId: `spiffe://home.alice/${kind}/${name}`, serial: "01" },
  ...{ trustDomain: "home.alice" as TrustDomain, notAfterMs: 9e15 },
  nodeId: "a".repeat(52) as NodeId,
});

let peers: GatewayPeers;
let asked: { method: string; claim: unknown }[];
let dials: number;
let answers: Partial<Principal>;
let isPeer: boolean;
let renewed: () => void;
let removed: (change: unknown) => void;

const entry = {
  ...{ path: "/x", name: "x", kind: "file", fileId: "1".repeat(32), sizeBytes: 1 },
  ...{ createdAtMs: 1, modifiedAtMs: 1, owner: "", etag: "e" },
};

/** A link to whoever `answers` is, which knows one entry. */
function link(): Link {
  let close: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const made = {
    peer: { nodeId: bobsNode, remoteAddress: "127.0.0.1:9000", identity: answers },
    isOpen: true,
    closed,
    async request(method: string, pieces: Uint8Array[]) {
      const { principal: claim } = JSON.parse(Buffer.from(pieces[1] ?? []).toString());
      asked.push({ method, claim });
      return Buffer.concat(encodeMessage({ entry }));
    },
    destroy: () => made.close(),
    async close() {
      made.isOpen = false;
      close();
    },
  };
  return made as unknown as Link;
}

beforeEach(() => {
  [asked, dials, isPeer] = [[], 0, true];
  answers = { kind: "foreign", foreignKind: "coordinator", trustDomain: BOB };
  const credentials = {
    current: { keyPem: "", certificatePem: "", caCertificatePem: "" },
    onChange: (listener: () => void) => {
      renewed = listener;
    },
  };
  const book = {
    list: () => [record],
    find: () => {
      if (isPeer) return record;
      throw new MeshError("MESH_PEER_UNKNOWN");
    },
    onChange: (listener: (change: unknown) => void) => {
      removed = listener;
      return () => undefined;
    },
  };
  const doors = {
    dial: async () => {
      dials++;
      return link();
    },
  };
  peers = new GatewayPeers({
    ...{ nodeId: "a".repeat(52) as NodeId, doors },
    peers: book as unknown as GatewayPeersOptions["peers"],
    credentials: credentials as unknown as CredentialHolder,
    ...{ clock: systemClock(), random: systemRandom(), log: silentLogger },
  });
});
afterEach(() => peers.stop());

describe("files of peers at the gateway", () => {
  it("are asked for on behalf of a person, and of the operator", async () => {
    const carol = principal("person");
    expect(await peers.away(carol).stat("/@bob/x")).toMatchObject({ path: "/@bob/x" });
    await peers.away(principal("coordinator", "alice-coordinator")).stat("/@bob/x");
    const { spiffeId, nodeId, serial, notAfterMs } = carol;
    expect(asked).toEqual([
      { method: "peer.call", claim: { kind: "person", spiffeId, nodeId, serial, notAfterMs } },
      { method: "peer.call", claim: { kind: "operator" } },
    ]);
    expect(dials).toBe(1);
  });

  it("are not there for nodes, nor for people of other members", async () => {
    for (const kind of ["node", "foreign"] as const) {
      const away = peers.away(principal(kind));
      for (const call of [away.stat("/@bob/x"), away.listPage("/@"), away.read("/@bob/x")]) {
        await expect(call).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
      }
    }
    expect(asked).toEqual([]);
  });

  it("are not looked for at somebody else's machine", async () => {
    for (const other of [
      { trustDomain: "office.carol" as TrustDomain },
      { kind: "coordinator" as const },
      { foreignKind: "person" as const },
      { foreignKind: "node" as const },
    ]) {
      const before = answers;
      answers = { ...before, ...other };
      await expect(peers.away(principal("person")).stat("/@bob/x")).rejects.toMatchObject({
        message: expect.stringMatching(/is no machine of garage.bob|not a coordinator/),
      });
      answers = before;
      removed({ trustDomain: BOB, after: undefined });
    }
    expect(asked).toEqual([]);
  });

  it("are reached over new links with a new certificate, and not after the end", async () => {
    const away = peers.away(principal("person"));
    await away.stat("/@bob/x");
    renewed();
    await away.stat("/@bob/x");
    expect(dials).toBe(2);
    const opened = peers.filesOf(BOB, principal("person"));
    isPeer = false;
    removed({ trustDomain: BOB, after: undefined });
    await expect(opened.stat("/x")).rejects.toMatchObject({ code: "MESH_PEER_UNKNOWN" });
    await expect(away.stat("/@bob/x")).rejects.toMatchObject({ code: "MESH_PEER_UNKNOWN" });
    expect([dials, asked.length]).toEqual([2, 2]);
  });
});
