import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { systemClock } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askCoordinators } from "./coordinator-finder-failover.js";
import { HttpConnection, type HttpRequest } from "./http-connection.js";
import { bundleOf, coordinatorCheck } from "./server-check.js";
import { SmallMember } from "./testing/small-member.js";

const clock = systemClock();
let silent: Server;
let silentPort: number;
let member: SmallMember;

beforeEach(async () => {
  member = await SmallMember.create("alice", clock);
  // Takes connections and says nothing, as a machine that has stopped in the middle.
  silent = createServer((socket) => socket.on("error", () => undefined));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  silentPort = (silent.address() as AddressInfo).port;
});
afterEach(async () => {
  silent.close();
  await member.stop();
});

function overTls(port: number): HttpConnection {
  const { certificatePem: caCertificatePem } = member.ca;
  const checkServerIdentity = coordinatorCheck(bundleOf(caCertificatePem), clock);
  return new HttpConnection({ host: "127.0.0.1", port }, { caCertificatePem, checkServerIdentity });
}

describe("a server that says nothing", () => {
  const request: HttpRequest = { method: "POST", path: "/", body: "{}", connectTimeoutMs: 50 };

  it("counts as away before the connection is there: the call may go elsewhere", async () => {
    const port = await member.listen();
    const connections = new Map([
      ["silent", overTls(silentPort)],
      ["good", overTls(port)],
    ]);
    const places = [...connections.keys()];
    const answer = await askCoordinators({ places: () => places, isRepeatable: false }, (place) => {
      const connectTimeoutMs = place === "silent" ? 50 : 10_000;
      return connections.get(place)!.send({ ...request, connectTimeoutMs });
    });
    expect(answer.status).toBe(200);
    answer.body.resume();
    expect(member.received).toHaveLength(1);
    for (const connection of connections.values()) connection.close();
  });

  it("has perhaps got the call after that: it goes nowhere else", async () => {
    const plain = new HttpConnection({ host: "127.0.0.1", port: silentPort });
    const options = { places: () => ["silent", "other"], isRepeatable: false };
    const asked: string[] = [];
    const work = askCoordinators(options, (place) => {
      asked.push(place);
      return plain.send({ ...request, connectTimeoutMs: 10_000, idleTimeoutMs: 50 });
    });
    await expect(work).rejects.toMatchObject({ code: "MESH_TIMEOUT" });
    expect(asked).toEqual(["silent"]);
    plain.close();
  });
});
