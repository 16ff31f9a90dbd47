/** What coordinators give each other and tell their nodes, and what they give nobody else. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writePrivate } from "@hearthmesh/client/private-files";
import type { Leader } from "@hearthmesh/collective";
import { decodeMessage, encodeMessage, type NodeId, silentLogger } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { IncomingRequest, Link } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type NodeRecord, nodeFiles } from "../home.js";
import { CoordinatorContacts } from "./coordinator-contacts.js";
import { leaderNewsPart, tellLeader } from "./leader-news.js";
import { secretsPart } from "./member-secrets.js";

const DOMAIN = "home.alice";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "hearthmesh-coordinators-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const contact = (name: string) => ({
  nodeId: name as NodeId,
  linkAddresses: [`${name}:9000`],
  apiAddresses: [`${name}:8001`],
  enrolmentAddresses: [`${name}:9001`],
});
const leader = (name: string, epoch: number): Leader => ({
  nodeId: name as NodeId,
  epoch,
  data: { name, linkAddresses: [`${name}:9000`], apiAddresses: [`${name}:8001`] },
});

function request(identity: Partial<Principal>, header: object = {}): IncomingRequest {
  const body = Buffer.concat(encodeMessage(header));
  return { method: "", peer: { identity, nodeId: identity.nodeId }, body } as never;
}

describe("the keys of the member", () => {
  const record = { memberId: "alice", name: "hub", roles: ["coordinator"] } as const;

  async function part() {
    const files = nodeFiles({ home, certificatesDirectory: join(home, "certs") }, record);
    await writePrivate(files.caKey, "the CA's key");
    await writePrivate(files.receiptSecret, "the secret of receipts");
    return secretsPart(files, DOMAIN, () => ({ engine: "etcd", addresses: ["hub:9002"] }));
  }

  it("are given to a coordinator of this member", async () => {
    const { handlers, callers } = await part();
    expect(callers).toBe("machines");
    const peer = { kind: "coordinator", trustDomain: DOMAIN as never } as const;
    const pieces = (await handlers.onRequest?.(request(peer))) as Uint8Array[];
    const { header, body } = decodeMessage(Buffer.concat(pieces));
    expect(header).toEqual({ store: { engine: "etcd", addresses: ["hub:9002"] } });
    expect(JSON.parse(Buffer.from(body).toString())).toEqual({
      caKey: "the CA's key",
      receiptSecret: "the secret of receipts",
    });
  });

  it.each([
    ["a node", { kind: "node", trustDomain: DOMAIN }],
    ["a person", { kind: "person", trustDomain: DOMAIN }],
    ["a coordinator of another member", { kind: "coordinator", trustDomain: "home.bob" }],
    ["nobody", {}],
  ])("are not given to %s", async (_who, identity) => {
    const { handlers } = await part();
    await expect(handlers.onRequest?.(request(identity as never))).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
    });
  });
});

describe("the coordinators that a node knows", () => {
  const record = { v: 1, name: "garage", coordinator: contact("one") } as unknown as NodeRecord;
  const open = (from = record) =>
    new CoordinatorContacts(join(home, "node.json"), from, silentLogger);

  it("begin with the one that let it in, the leader first", () => {
    const contacts = open();
    contacts.learn([contact("one"), contact("two"), contact("three")]);
    expect(contacts.heardOf(leader("two", 3))).toBe(true);
    expect(contacts.contacts.map(({ nodeId }) => nodeId)).toEqual(["two", "one", "three"]);
    expect(contacts.apiAddresses[0]).toBe("two:8001");
    expect(contacts.heardOf(leader("two", 3))).toBe(false);
    expect(contacts.heardOf(leader("one", 2))).toBe(false);
    expect(contacts.leader).toBe("two");
  });

  it("are written down, and an empty list is not believed", async () => {
    const contacts = open();
    contacts.learn([contact("one"), contact("two")]);
    contacts.learn([]);
    const stored = async () => {
      const text = await readFile(join(home, "node.json"), "utf8").catch(() => "{}");
      return (JSON.parse(text) as NodeRecord).coordinators?.map(({ nodeId }) => nodeId);
    };
    await expect.poll(stored).toEqual(["one", "two"]);
    const text = await readFile(join(home, "node.json"), "utf8");
    const again = open(JSON.parse(text) as NodeRecord);
    expect(again.contacts).toHaveLength(2);
  });

  it("take in a leader that was not known", () => {
    const contacts = open();
    contacts.heardOf(leader("new", 1));
    expect(contacts.contacts.map(({ nodeId }) => nodeId)).toEqual(["new", "one"]);
  });

  it("must be at least one", () => {
    const { coordinator: _none, ...bare } = record;
    expect(() => open(bare)).toThrow(expect.objectContaining({ code: "MESH_CONFIG_INVALID" }));
  });
});

describe("news of a leader", () => {
  it("are told to nodes, and believed of the coordinator that tells them", async () => {
    const heard: Leader[] = [];
    const { handlers } = leaderNewsPart((one) => heard.push(one));
    const sent: Uint8Array[][] = [];
    const linkOf = (kind: string) =>
      ({
        peer: { identity: { kind } },
        request: async (_method: string, message: Uint8Array[]) => sent.push(message),
      }) as unknown as Link;
    tellLeader(
      [linkOf("node"), linkOf("coordinator"), linkOf("person")],
      leader("two", 4),
      silentLogger,
    );
    expect(sent).toHaveLength(1);
    const { header } = decodeMessage<object>(Buffer.concat(sent[0] ?? []));
    const from = (kind: string, nodeId: string) =>
      handlers.onRequest?.(request({ kind, nodeId } as never, header));
    await from("coordinator", "two");
    expect(heard).toEqual([leader("two", 4)]);
    for (const [kind, nodeId] of [
      ["node", "two"],
      ["coordinator", "one"],
    ] as const) {
      await expect(from(kind, nodeId)).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    }
    expect(heard).toHaveLength(1);
  });
});
