/** Files over real TLS links to two coordinators whose answers the test makes. */
import type { FileClient } from "@hearthmesh/collective";
import {
  asWireError,
  encodeMessage,
  MeshError,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  generateKeyPair,
  type KeyPairPem,
  type PrincipalKind,
  publicKeyDerOf,
  signerOf,
} from "@hearthmesh/identity";
import { type IncomingRequest, type Link, listenLinks, tlsTransport } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectFiles } from "./connect-files.js";
import { type CoordinatorContact, CoordinatorFinder } from "./coordinator-finder.js";
import { SmallMember } from "./testing/small-member.js";

const [clock, random] = [systemClock(), systemRandom()];
const closing: (() => Promise<unknown>)[] = [];
let member: SmallMember;
beforeEach(async () => {
  member = await SmallMember.create("alice", clock);
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await member.stop();
});

type Serve = (request: IncomingRequest, link: Link) => Uint8Array | readonly Uint8Array[];

interface Coordinator {
  readonly contact: CoordinatorContact;
  readonly asked: string[];
  serve: Serve;
  stop(): Promise<void>;
}

async function credentialsOf(keys: KeyPairPem, kind: PrincipalKind, name: string) {
  const { certificatePem } = await member.issue(keys.publicKeyPem, kind, name);
  return { keyPem: keys.privateKeyPem, certificatePem, caCertificatePem: member.ca.certificatePem };
}

async function coordinator(name: string, kind: PrincipalKind = "coordinator") {
  const keys = generateKeyPair();
  const { caCertificatePem: caPem, ...own } = await credentialsOf(keys, kind, name);
  const open: Link[] = [];
  const listener = await listenLinks(
    tlsTransport({ credentials: () => ({ ...own, caPem }) }),
    { host: "127.0.0.1", port: 0 },
    {
      identity: {
        publicKey: publicKeyDerOf(keys.publicKeyPem),
        sign: signerOf(keys.privateKeyPem),
      },
      handlers: {
        onRequest(request) {
          made.asked.push(request.method);
          try {
            return made.serve(request, open.at(-1)!);
          } catch (error) {
            throw asWireError(error);
          }
        },
      },
      clock,
      random,
      verifyPeer: ({ nodeId }) => ({ nodeId }),
    },
    (link) => void open.push(link),
  );
  const { port } = listener.address as { port: number };
  const made: Coordinator = {
    contact: {
      nodeId: keys.nodeId as NodeId,
      name,
      apiAddresses: [],
      linkAddresses: [`127.0.0.1:${port}`],
      enrolmentAddresses: [],
    },
    asked: [],
    serve: entry,
    async stop() {
      await listener.close();
      for (const link of open) link.destroy(new MeshError("MESH_UNREACHABLE"));
    },
  };
  closing.push(() => made.stop());
  return made;
}

const entry: Serve = () => encodeMessage({ entry: { path: "/f", kind: "file", sizeBytes: 3 } });
const refuse =
  (error: MeshError): Serve =>
  () => {
    throw error;
  };

async function filesOf(finder: CoordinatorFinder): Promise<FileClient> {
  const keyPair = generateKeyPair();
  const credentials = await credentialsOf(keyPair, "person", "carol@office.carol");
  const record = {
    v: 1 as const,
    name: "alice",
    memberId: "alice" as never,
    trustDomain: "home.alice" as TrustDomain,
    caPin: "",
    spiffeId: "",
    grants: [],
    coordinator: finder.contacts[0]!,
    joinedAtMs: 0,
    certificateNotAfterMs: 0,
  };
  const collective = { record, keyPair, credentials, finder };
  const { files, close } = connectFiles({ collective, clock, random, log: silentLogger });
  closing.push(close);
  return files;
}

const finderOf = (...all: Coordinator[]) =>
  new CoordinatorFinder(all[0]!.contact, {
    contacts: all.map(({ contact }) => contact),
    learntAtMs: clock.nowMs(),
  });

describe("files of a member with two coordinators", () => {
  it("goes on with the other one when one is off, and when a link breaks in a call", async () => {
    const [attic, barn] = [await coordinator("attic"), await coordinator("barn")];
    const files = await filesOf(finderOf(attic, barn));
    await files.stat("/f");
    attic.serve = (_request, link) => {
      link.destroy(new Error("the power went"));
      return new Uint8Array();
    };
    await files.stat("/f");
    expect([attic.asked.length, barn.asked.length]).toEqual([2, 1]);
    await attic.stop();
    await files.makeDirectory("/new");
    expect(barn.asked).toEqual(["file.stat", "file.mkdir"]);
  });

  it("does not repeat at the other one what may have been done", async () => {
    const [attic, barn] = [await coordinator("attic"), await coordinator("barn")];
    const files = await filesOf(finderOf(attic, barn));
    attic.serve = (_request, link) => {
      link.destroy(new Error("the power went"));
      return new Uint8Array();
    };
    await expect(files.makeDirectory("/new")).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
    expect(barn.asked).toEqual([]);
    // The next call begins with the one that is not known to be away.
    await files.move("/a", "/b");
    expect(barn.asked).toEqual(["file.move"]);
  });

  it("follows whoever is named as the leader", async () => {
    const [attic, barn] = [await coordinator("attic"), await coordinator("barn")];
    const details = { leader: barn.contact };
    attic.serve = refuse(new MeshError("MESH_NOT_LEADER", { details }));
    const files = await filesOf(new CoordinatorFinder(attic.contact));
    await files.makeDirectory("/new");
    await files.makeDirectory("/other");
    expect([attic.asked.length, barn.asked.length]).toEqual([1, 2]);
  });

  it("passes a refusal on, and takes no node for a coordinator", async () => {
    const [attic, barn] = [await coordinator("attic"), await coordinator("barn", "node")];
    const files = await filesOf(finderOf(barn, attic));
    await files.makeDirectory("/x");
    attic.serve = refuse(new MeshError("MESH_FORBIDDEN"));
    await expect(files.makeDirectory("/x")).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    expect([attic.asked.length, barn.asked.length]).toEqual([2, 0]);
    const alone = await filesOf(finderOf(barn));
    const untrusted = { code: "MESH_CERT_UNTRUSTED" };
    await expect(alone.makeDirectory("/x")).rejects.toMatchObject(untrusted);
  });
});
