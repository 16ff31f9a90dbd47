import { describe, expect, it } from "vitest";
import { type JoinRequest, JoinRequests, wordsOfNode } from "./join-requests.js";
import { JOIN_REQUEST_MS, JOIN_REQUESTS_MAX, JOIN_REQUESTS_PER_ADDRESS_MAX } from "./limits.js";
import { testMachine } from "./testing/pool-fixture.js";

const machines = Array.from({ length: JOIN_REQUESTS_MAX + 4 }, (_, at) => testMachine(`m-${at}`));

function request(at: number, more: Partial<JoinRequest> = {}): JoinRequest {
  const { nodeId = "" as never, name = "" } = machines[at] ?? {};
  const address = `192.0.2.${at}`;
  return { nodeId, name, roles: ["ai"], csrPem: `csr ${at}`, address, ...more };
}

describe("requests to join", () => {
  it("belong to a key: asked again it is the same one, whatever else it says", () => {
    const requests = new JoinRequests();
    const first = requests.ask(request(0), 0);
    expect(requests.ask(request(0, { name: "other", csrPem: "other" }), 5)).toEqual(first);
    expect(requests.waiting(5)).toHaveLength(1);
    expect(first.words).toBe(wordsOfNode(first.nodeId));
    expect(first.words).toMatch(/^[a-z]{6}(-[a-z]{6}){3}$/);
  });

  it("are found by words, name or the beginning of the node id", () => {
    const requests = new JoinRequests();
    const { nodeId, words } = requests.ask(request(0), 0);
    requests.ask(request(1), 0);
    const texts = [words, ` ${words.toUpperCase()} `, "m-0", nodeId, nodeId.slice(0, 8)];
    for (const text of texts) expect(requests.find(text, 0).nodeId).toBe(nodeId);
    for (const text of ["", "m", nodeId.slice(0, 7), words.slice(0, 10)]) {
      expect(() => requests.find(text, 0)).toThrow("no machine asks to join");
    }
  });

  it("with one name are told apart by their words", () => {
    const requests = new JoinRequests();
    const one = requests.ask(request(0, { name: "twin" }), 0);
    const two = requests.ask(request(1, { name: "twin" }), 0);
    expect(() => requests.find("twin", 0)).toThrow("2 machines are meant");
    expect(requests.find(two.words, 0).nodeId).toBe(two.nodeId);
    requests.decide(two.nodeId, "refused");
    expect(requests.find("twin", 0).nodeId).toBe(one.nodeId);
  });

  it("named like the words or the id of another do not get its approval", () => {
    const requests = new JoinRequests();
    const honest = requests.ask(request(0), 0);
    requests.ask(request(1, { name: honest.words }), 0);
    requests.ask(request(2, { name: honest.nodeId.slice(0, 20) }), 0);
    expect(requests.find(honest.words, 0).nodeId).toBe(honest.nodeId);
    expect(requests.find(honest.nodeId.slice(0, 20), 0).nodeId).toBe(honest.nodeId);
    // Nor while the other one does not ask, or not any more.
    requests.ask(request(3, { name: honest.nodeId }), 0);
    requests.forget(honest.nodeId);
    expect(() => requests.find(honest.words, 0)).toThrow("no machine asks to join");
    expect(() => requests.find(honest.nodeId, 0)).toThrow("no machine asks to join");
  });

  it("end after ten minutes, decided or not", () => {
    const requests = new JoinRequests();
    const { nodeId } = requests.ask(request(0), 0);
    requests.decide(nodeId, "approved");
    expect(requests.get(nodeId, JOIN_REQUEST_MS)?.state).toBe("approved");
    expect(requests.waiting(JOIN_REQUEST_MS)).toEqual([]);
    expect(requests.get(nodeId, JOIN_REQUEST_MS + 1)).toBeUndefined();
    expect(requests.ask(request(0), JOIN_REQUEST_MS + 1).state).toBe("waiting");
  });

  it("are bounded: of one address, and in all", () => {
    const requests = new JoinRequests();
    const flood = Array.from(
      { length: JOIN_REQUESTS_PER_ADDRESS_MAX + 1 },
      (_, at) => () => requests.ask(request(at, { address: "192.0.2.99" }), 0),
    );
    const last = flood.pop();
    for (const ask of flood) ask();
    expect(last).toThrow("too many machines");
    const all = new JoinRequests();
    for (let at = 0; at < JOIN_REQUESTS_MAX; at++) all.ask(request(at), 0);
    expect(() => all.ask(request(JOIN_REQUESTS_MAX), 0)).toThrow("too many machines");
    expect(all.ask(request(3), 0).state).toBe("waiting");
    expect(all.ask(request(JOIN_REQUESTS_MAX), JOIN_REQUEST_MS + 1).state).toBe("waiting");
  });
});
