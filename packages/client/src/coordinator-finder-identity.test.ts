/** An identity on disk and two coordinators: what it does when one of them is lost. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ErrorCode,
  type MemberId,
  MeshError,
  silentLogger,
  systemClock,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import { generateKeyPair } from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ApiClient } from "./api-client.js";
import { connectFiles } from "./connect-files.js";
import { loadCollective } from "./credentials.js";
import { IdentityHome } from "./identity-home.js";
import { KeyValueClient } from "./key-value.js";
import { type KeyValueHome, keyValueHome } from "./testing/key-value-home.js";
import { SettableClock, SmallMember } from "./testing/small-member.js";

const [clock, random] = [systemClock(), systemRandom()];
let member: KeyValueHome;
let directory: string;
let identity: IdentityHome;

beforeEach(async () => {
  member = await keyValueHome(memoryStore({ clock }));
  directory = await mkdtemp(join(tmpdir(), "hearthmesh-failover-"));
  identity = new IdentityHome(directory);
});
afterEach(async () => {
  await member.close();
  await rm(directory, { recursive: true, maxRetries: 5 });
});

async function load() {
  const collective = await loadCollective({ home: identity, clock, log: silentLogger });
  const { finder, credentials } = collective;
  return { collective, api: new ApiClient({ finder, credentials, clock, random }) };
}

/** Keeps an enrolment as `mesh invite redeem` does: it names the first coordinator alone. */
async function enrol(grants: readonly string[]): Promise<void> {
  await identity.create({ globalId: "carol@office.carol", nowMs: clock.nowMs() });
  const keys = await identity.keyPair();
  const credentials = await member.credentialsOf("carol@office.carol", grants, keys);
  await identity.saveEnrolment(
    {
      memberId: "alice" as MemberId,
      trustDomain: "home.alice" as TrustDomain,
      spiffeId: "spiffe://home.alice/person/carol@office.carol",
      certificatePem: credentials.certificatePem,
      caCertificatePem: credentials.caCertificatePem,
      certificateNotAfterMs: clock.nowMs() + 86_400_000,
      grants: [],
      roles: [],
      coordinator: member.finder().contacts[0]!,
    },
    clock.nowMs(),
  );
}

describe("a coordinator that cannot answer now", () => {
  it("sends a client to the next one, as far as that is safe", async () => {
    const small = await SmallMember.create("alice", clock);
    const ports = [
      await small.listen("coordinator", true),
      await small.listen("coordinator", true),
    ];
    const keys = generateKeyPair();
    const { certificatePem } = await small.issue(keys.publicKeyPem, "person", "carol@office.carol");
    const api = new ApiClient({
      addresses: ports.map((port) => `127.0.0.1:${port}`),
      credentials: {
        keyPem: keys.privateKeyPem,
        certificatePem,
        caCertificatePem: small.ca.certificatePem,
      },
      clock,
    });
    const failOnce = (code: ErrorCode) => {
      const before = small.received.length;
      small.onRequest = (_request, answer) => {
        if (small.received.length === before + 1) throw new MeshError(code);
        return answer;
      };
      return () => small.received.length - before;
    };
    let asked = failOnce("MESH_NOT_LEADER");
    await api.call("POST", "/write", {});
    expect([asked(), api.address]).toEqual([2, `127.0.0.1:${ports[1]}`]);
    asked = failOnce("MESH_STOPPING");
    await expect(api.call("POST", "/write", {})).rejects.toMatchObject({ code: "MESH_STOPPING" });
    expect(asked()).toBe(1);
    asked = failOnce("MESH_STORE_UNAVAILABLE");
    await api.call("GET", "/read");
    expect([asked(), api.address]).toEqual([2, `127.0.0.1:${ports[0]}`]);
    api.close();
    await small.stop();
  });
});

describe("an identity whose member has two coordinators", () => {
  it("learns the second one, and uses it from the next program on", async () => {
    await enrol(["/kv:read+write"]);
    const first = await load();
    const keyValue = new KeyValueClient({ door: first.api, clock, random });
    await keyValue.put("a", "1");
    await first.api.settled();
    first.api.close();
    const path = join(directory, "collectives", "alice", "coordinators.json");
    expect(JSON.parse(await readFile(path, "utf8")).contacts).toHaveLength(2);

    await member.stop(0);
    const second = await load();
    const other = new KeyValueClient({ door: second.api, clock, random });
    // Not repeatable, and yet safe: nothing was sent to the one that is away.
    await other.put("a", "2");
    expect(await other.getText("a")).toBe("2");
    expect(second.api.address).toBe(second.collective.finder.contacts[0]?.apiAddresses[0]);
    await second.api.settled();
    second.api.close();
    await member.stop(1);
    const third = await load();
    await expect(third.api.whoami()).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
    third.api.close();
  });

  it("goes on in the middle, with kept connections that break", async () => {
    await enrol(["/kv:read+write"]);
    const { api } = await load();
    await api.whoami();
    await api.settled();
    for (let round = 0; round < 4; round++) {
      const at = round % 2 === 0 ? 0 : 1;
      await member.stop(at);
      expect(await api.whoami()).toMatchObject({ name: "carol@office.carol" });
      await member.start(at);
    }
    api.close();
  });

  it("trusts no coordinator of another member, whatever a list says", async () => {
    await enrol(["/kv:read+write"]);
    const stranger = await SmallMember.create("alice", new SettableClock());
    const port = await stranger.listen();
    const { collective, api } = await load();
    const views = member.finder().contacts.map((one) => ({ ...one, isLeader: false }));
    const lure = {
      ...views[0]!,
      nodeId: "d".repeat(52),
      isLeader: true,
      apiAddresses: [`127.0.0.1:${port}`],
    };
    await collective.finder.learn({ coordinators: [lure, ...views] }, clock.nowMs());
    expect(collective.finder.contacts[0]?.nodeId).toBe(lure.nodeId);
    const keyValue = new KeyValueClient({ door: api, clock, random });
    await keyValue.put("secret", "x");
    expect(stranger.received).toEqual([]);
    await member.stop(0);
    await member.stop(1);
    await expect(api.whoami()).rejects.toMatchObject({ code: "MESH_CERT_UNTRUSTED" });
    expect(stranger.received).toEqual([]);
    api.close();
    await stranger.stop();
  });

  it("says for files too that no coordinator has a link", async () => {
    await enrol(["/kv:read"]);
    const { collective } = await load();
    const { files, close } = connectFiles({ collective, clock, random, log: silentLogger });
    const stop = new AbortController();
    const reading = files.makeDirectory("/shared", { signal: stop.signal });
    await expect(reading).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
    await close();
  });
});
