/** Which peers there are is told by the own coordinator; what it tells decides whom we trust. */
import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { generateKeyPair } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ApiClient } from "./api-client.js";
import { type FederatedConnection, federateFiles } from "./federated-files.js";
import type { FileAccess } from "./http-files.js";
import { type ReceivedRequest, SmallMember } from "./testing/small-member.js";

const [clock, random] = [systemClock(), systemRandom()];
let alice: SmallMember;
let bob: SmallMember;
let api: ApiClient;
let connection: FederatedConnection;
let contact: Record<string, unknown>;

const entry = (path: string) => ({
  ...{ path, name: path.slice(path.lastIndexOf("/") + 1), kind: "file", sizeBytes: 3 },
  ...{ fileId: "1".repeat(32), createdAtMs: 1, modifiedAtMs: 1, owner: "", etag: "e" },
});

/** Alice's coordinator, which knows Bob and has his files under `/@home.bob`. */
function answer({ method, path }: ReceivedRequest): object {
  const url = new URL(path, "https://alice");
  const asked = url.searchParams.get("path") ?? "";
  if (url.pathname === "/api/peers/bob/contact") return contact;
  if (url.pathname.startsWith("/api/peers/")) throw new MeshError("MESH_PEER_UNKNOWN");
  if (url.pathname === "/api/files/list") return { entries: [entry("/@bob")], more: false };
  if (asked === "/@home.bob/odd") return { entry: entry("/etc/passwd") };
  return method === "GET" ? { entry: entry(asked) } : {};
}

const asked = (path: string) => alice.received.filter((one) => one.path.startsWith(path)).length;

beforeEach(async () => {
  alice = await SmallMember.create("alice", clock);
  bob = await SmallMember.create("bob", clock);
  alice.onRequest = answer;
  contact = {
    ...{ alias: "bob", memberId: "bob", trustDomain: "home.bob", coordinators: [] },
    caCertificatesPem: [bob.ca.certificatePem],
  };
  const keyPair = generateKeyPair();
  const issued = await alice.issue(keyPair.publicKeyPem, "person", "carol@home.alice");
  const credentials = {
    keyPem: keyPair.privateKeyPem,
    certificatePem: issued.certificatePem,
    caCertificatePem: alice.ca.certificatePem,
  };
  const addresses = [`127.0.0.1:${await alice.listen("coordinator", true)}`];
  api = new ApiClient({ addresses, credentials, clock });
  const home = { stat: async (path: string) => entry(path) } as unknown as FileAccess;
  const collective = { keyPair, credentials };
  connection = federateFiles({ home, api, collective, clock, random, log: silentLogger });
});
afterEach(async () => {
  await connection.close();
  api.close();
  await alice.stop();
});

describe("the files of all members, for a client", () => {
  it("asks nobody about what is at home", async () => {
    expect((await connection.files.stat("/shared/a")).path).toBe("/shared/a");
    expect(alice.received).toEqual([]);
  });

  it("asks once where a peer is; without an address it goes the way home", async () => {
    expect(await connection.files.stat("/@bob/film")).toMatchObject({ path: "/@bob/film" });
    expect(await connection.files.stat("/@bob")).toMatchObject({ path: "/@bob", name: "@bob" });
    await connection.files.makeDirectory("/@bob/new");
    expect(asked("/api/peers/")).toBe(1);
    expect(asked("/api/files/stat?path=%2F%40home.bob%2Ffilm")).toBe(1);
    const names: string[] = [];
    for await (const { path } of connection.files.list("/@")) names.push(path);
    expect(names).toEqual(["/@bob"]);
  });

  it("says what is no peer, and believes no answer about another path", async () => {
    const unknown = connection.files.stat("/@mallory/x");
    await expect(unknown).rejects.toMatchObject({ code: "MESH_PEER_UNKNOWN" });
    const odd = connection.files.stat("/@bob/odd");
    await expect(odd).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
  });

  it("takes no CA for a domain that it is not of", async () => {
    contact.caCertificatesPem = [alice.ca.certificatePem];
    const stat = connection.files.stat("/@bob/film");
    await expect(stat).rejects.toMatchObject({ code: "MESH_CERT_UNTRUSTED" });
    contact.caCertificatesPem = "none";
    const broken = connection.files.stat("/@bob/film");
    await expect(broken).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
  });

  it("passes over machines at the peer's addresses that are not the peer's", async () => {
    // Alice's own coordinator listens where Bob is said to be.
    const address = `127.0.0.1:${await alice.listen("coordinator", true)}`;
    const coordinator = {
      ...{ nodeId: "b".repeat(52), name: "bob-coordinator", enrolmentAddresses: [] },
      ...{ apiAddresses: [address], linkAddresses: [address] },
    };
    contact.coordinators = [coordinator];
    expect(await connection.files.stat("/@bob/film")).toMatchObject({ path: "/@bob/film" });
    // Refused before anything was asked of it.
    expect(asked("/health/live")).toBe(0);
  });
});
