/** Grants through the door that people use, and what they do to requests that are under way. */
import type { IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GrantExplanation } from "../contracts/index.js";
import { ApiDoor } from "../doors/api-door.js";
import type { DoorCredentials } from "../services.js";
import { type GatewayFixture, gatewayFixture } from "../testing/index.js";

const clock = systemClock();
const random = systemRandom();

let fixture: GatewayFixture;
let door: ApiDoor;
let carol: DoorCredentials & { nodeId: string };

beforeEach(async () => {
  fixture = await gatewayFixture({ store: memoryStore({ clock }), clock, random });
  const { services, metrics, credentials } = fixture;
  door = new ApiDoor({ host: "127.0.0.1", port: 0, services, metrics, credentials });
  await door.start();
  carol = await fixture.person("carol@office.carol", ["/media:read"]);
});
afterEach(async () => {
  await door.stop();
  await fixture.authority.close();
});

function open(who: DoorCredentials | undefined, path: string, more: RequestOptions = {}) {
  const tls = who && { key: who.privateKeyPem, cert: who.certificatePem };
  const ca = fixture.credentials.caCertificatePem;
  const { port = 0 } = door.address ?? {};
  return httpsRequest({ host: "localhost", port, path, agent: false, ca, ...tls, ...more });
}

function answerOf(sent: ReturnType<typeof open>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => sent.once("response", resolve).once("error", reject));
}

async function ask(
  who: DoorCredentials | undefined,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
) {
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const sent = open(who, path, { method, headers: { ...type, ...headers } });
  const answer = answerOf(sent);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const pieces: Buffer[] = [];
  const response = await answer;
  for await (const piece of response) pieces.push(piece as Buffer);
  const text = Buffer.concat(pieces).toString();
  return { status: response.statusCode ?? 0, body: text === "" ? {} : JSON.parse(text) };
}

const operator = () => fixture.credentials;
const add = (who: DoorCredentials, subject: string, grant: string, more: object = {}) =>
  ask(who, "POST", "/api/grants", { subject, grant, ...more });
const explain = async (who: DoorCredentials, query: string): Promise<GrantExplanation> =>
  (await ask(who, "GET", `/api/grants/explain?${query}`)).body;

describe("grants over HTTP", () => {
  it("are given, listed, explained and taken away by the operator", async () => {
    const { status, body } = await add(operator(), "carol@office.carol", "/shared:read+write", {
      until: "7d",
    });
    expect(status).toBe(201);
    const { id } = body.grant;
    expect(body.grant).toMatchObject({ nodeId: carol.nodeId, state: "open" });
    const listed = await ask(operator(), "GET", "/api/grants?path=/shared/photos");
    expect(listed.body.grants).toEqual([body.grant]);
    expect((await ask(operator(), "GET", "/api/grants?path=/other")).body.grants).toEqual([]);
    const why = await explain(operator(), "subject=carol@office.carol&path=/shared/x&right=write");
    expect(why).toMatchObject({ allowed: true, decidedBy: { id, verdict: /allows it/ } });
    expect(why.notAfterMs).toBe(body.grant.grant.notAfterMs);
    const removed = await ask(operator(), "DELETE", `/api/grants/${id}`);
    expect(removed.body.removed.id).toBe(id);
    const gone = await ask(operator(), "DELETE", `/api/grants/${id}`);
    expect([gone.status, gone.body.code]).toEqual([404, "MESH_GRANT_UNKNOWN"]);
  });

  it("are refused with what is wrong", async () => {
    const wrong: [string, object, string][] = [
      ["carol@office.carol", { grant: "/shared" }, "MESH_BAD_REQUEST"],
      ["carol@office.carol", { grant: "/a/../b:read" }, "MESH_PATH_INVALID"],
      ["carol@office.carol", { grant: "/a:read", until: "soon" }, "MESH_BAD_REQUEST"],
      ["carol@office.carol", { grant: "/a:read", until: "2020-01-01" }, "MESH_BAD_REQUEST"],
      ["*@garage.bob", { grant: "/a:read" }, "MESH_PEER_UNKNOWN"],
    ];
    for (const [subject, body, code] of wrong) {
      const answer = await ask(operator(), "POST", "/api/grants", { subject, ...body });
      expect([code, answer.body.code]).toEqual([code, code]);
    }
    const path = "/api/grants/explain?subject=carol@office.carol&path=/a%2F..%2Fb";
    expect((await ask(operator(), "GET", path)).body.code).toBe("MESH_PATH_INVALID");
  });

  it("of others are nobody's business, and one's own are explained to oneself", async () => {
    await fixture.person("dave@home.alice", ["/media:read"]);
    await add(operator(), "dave@home.alice", "/secret:read");
    expect((await ask(carol, "GET", "/api/grants")).body.grants).toEqual([]);
    const own = await explain(carol, "path=/secret");
    expect(own).toMatchObject({ subject: "carol@office.carol", allowed: false, others: [] });
    expect(await explain(carol, "subject=carol@office.carol&path=/media")).toMatchObject({
      allowed: true,
    });
    const other = await ask(carol, "GET", "/api/grants/explain?subject=dave@home.alice&path=/a");
    expect([other.status, other.body.code]).toEqual([403, "MESH_FORBIDDEN"]);
    const given = await add(carol, "dave@home.alice", "/media:read");
    expect([given.status, given.body.code]).toEqual([403, "MESH_FORBIDDEN"]);
  });
});

describe("a request that is under way", () => {
  const large = Buffer.alloc(24 << 20, "x");

  async function download(who: DoorCredentials): Promise<IncomingMessage> {
    const sent = open(who, "/api/files/content?path=/media/film");
    const answer = answerOf(sent);
    sent.end();
    const response = await answer;
    response.pause();
    await new Promise((resolve) => response.once("readable", resolve));
    return response;
  }

  async function lengthOf(response: IncomingMessage): Promise<number> {
    let length = 0;
    for await (const piece of response) length += (piece as Buffer).length;
    return length;
  }

  async function writeFilm(): Promise<void> {
    const files = fixture.files.forPrincipal(fixture.services.operator);
    await files.write(
      "/media/film",
      (async function* () {
        yield large;
      })(),
    );
  }

  it("reads on with its right, and is cut without it while others go on", async () => {
    await writeFilm();
    const dave = await fixture.person("dave@home.alice", ["/media:read"]);
    const [cut, goesOn] = [await download(carol), await download(dave)];
    const denied = await add(operator(), "carol@office.carol", "/media:read", { deny: true });
    expect(denied.status).toBe(201);
    await expect(lengthOf(cut)).rejects.toThrow(/aborted/);
    expect(await lengthOf(goesOn)).toBe(large.length);
    const again = await ask(operator(), "DELETE", `/api/grants/${denied.body.grant.id}`);
    expect(again.status).toBe(200);
    expect(await lengthOf(await download(carol))).toBe(large.length);
  });

  it("writes nothing when the right goes before the end", async () => {
    const { body } = await add(operator(), "carol@office.carol", "/slow:write");
    let release: () => void = () => undefined;
    fixture.files.hold = new Promise((resolve) => {
      release = resolve;
    });
    const sent = open(carol, "/api/files/content?path=/slow/a", { method: "PUT" });
    const answer = answerOf(sent);
    sent.write("half of it");
    while (fixture.files.bytesTaken === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await ask(operator(), "DELETE", `/api/grants/${body.grant.id}`);
    release();
    sent.end();
    const response = await answer;
    response.resume();
    expect(response.statusCode).toBe(403);
    await expect(
      fixture.files.forPrincipal(fixture.services.operator).stat("/slow/a"),
    ).rejects.toMatchObject({ code: "MESH_PATH_NOT_FOUND" });
  });
});

describe("faults of the predecessor", () => {
  it("e: the grants of an invite are those that the identity has, and no others", async () => {
    const whoami = await ask(carol, "GET", "/api/whoami");
    expect(whoami.body.grants).toEqual([{ path: "/media", rights: ["read"], effect: "allow" }]);
    expect(await explain(carol, "path=/media/a")).toMatchObject({
      allowed: true,
      decidedBy: { origin: "invite", text: "/media:read" },
    });
    expect((await explain(carol, "path=/shared/a")).allowed).toBe(false);
  });

  it("f: who calls comes from the certificate, and never from a header", async () => {
    const { spiffeId, nodeId } = fixture.services.operator;
    const claims = {
      "federated-address": "coord@home.alice",
      "x-spiffe-id": spiffeId,
      "x-node-id": nodeId,
      "x-forwarded-client-cert": `URI=${spiffeId}`,
      "x-forwarded-for": "127.0.0.1",
      authorization: `Bearer ${spiffeId}`,
    };
    const whoami = await ask(carol, "GET", "/api/whoami", undefined, claims);
    expect(whoami.body).toMatchObject({ name: "carol@office.carol", operator: false });
    const refused = await ask(carol, "GET", "/api/identities", undefined, claims);
    expect(refused.status).toBe(403);
    // Without a certificate nobody is anybody: the connection is not even taken.
    await expect(ask(undefined, "GET", "/api/whoami", undefined, claims)).rejects.toThrow();
  });
});
