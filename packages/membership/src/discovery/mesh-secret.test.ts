import type { Random } from "@hearthmesh/core";
import type { IncomingRequest, Link, Peer } from "@hearthmesh/qwormhole";
import { linkPair } from "@hearthmesh/qwormhole/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf } from "../testing/wire-fixtures.js";
import {
  deriveMeshKey,
  formatMeshSecret,
  type MeshSecret,
  mergeMeshSecret,
  meshSecretFingerprint,
  meshSecretKeys,
  newMeshSecret,
  parseMeshSecret,
  rotateMeshSecret,
} from "./mesh-secret.js";
import { fetchMeshSecret, meshSecretHandlers } from "./mesh-secret-exchange.js";
import { linkTo } from "./testing/fake-links.js";
import { seededRandom, testSelf } from "./testing/test-node.js";

const random: Random = seededRandom("secrets");
const first = newMeshSecret(random);
const second = rotateMeshSecret(first, random);
const third = rotateMeshSecret(second, random);
const epochOf = (secret: MeshSecret | undefined) => secret?.current.epoch;

describe("a mesh secret", () => {
  it("keeps the key before, so that a rotation parts nobody", () => {
    expect(meshSecretKeys(second)).toEqual([second.current, first.current]);
    expect(meshSecretKeys(third)).toEqual([third.current, second.current]);
  });

  it("has a text that is read back, and no other text is read", () => {
    for (const secret of [first, second, { ...third, isVouched: false }]) {
      expect(parseMeshSecret(formatMeshSecret(secret))).toEqual(secret);
    }
    const text = formatMeshSecret(second);
    for (const bad of ["", "x", text.replace("v1", "v2"), `${text}${text}`, text.slice(0, 60)]) {
      expect(codeOf(() => parseMeshSecret(bad))).toBe("MESH_BAD_REQUEST");
    }
    fc.assert(
      fc.property(fc.string(), (any) => codeOf(() => parseMeshSecret(any)) !== "none"),
      { numRuns: 200 },
    );
  });

  it("derives another key for each purpose, period and secret", () => {
    const keys = [
      deriveMeshKey(first.current, "a"),
      deriveMeshKey(first.current, "b"),
      deriveMeshKey(first.current, "a", 0),
      deriveMeshKey(first.current, "a", 1),
      deriveMeshKey(second.current, "a"),
    ].map((key) => Buffer.from(key).toString("hex"));
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => key.length === 64)).toBe(true);
  });
});

describe("whose word counts", () => {
  it("takes any secret when there is none, and vouches for the coordinator's alone", () => {
    expect(mergeMeshSecret(undefined, second, "node")).toEqual({ ...second, isVouched: false });
    expect(mergeMeshSecret(undefined, second, "coordinator")).toEqual(second);
  });

  it("takes a newer one of a node, and stays able to hear under the good key", () => {
    const merged = mergeMeshSecret(first, third, "node");
    expect(merged).toEqual({ current: third.current, previous: first.current, isVouched: false });
    const lie = { current: { epoch: 9, bytes: random.bytes(32) } };
    const again = mergeMeshSecret(merged, lie, "node");
    expect(meshSecretKeys(again)).toContainEqual(first.current);
  });

  it("takes nothing older, and nothing from the far future, of a node", () => {
    expect(mergeMeshSecret(second, first, "node")).toBe(second);
    expect(mergeMeshSecret(second, second, "node")).toBe(second);
    const far = { current: { epoch: 2 ** 50, bytes: random.bytes(32) } };
    expect(mergeMeshSecret(second, far, "node")).toBe(second);
  });

  it("lets the coordinator correct whatever a node said, also with a lower epoch", () => {
    const lie = { current: { epoch: 50, bytes: random.bytes(32) } };
    const fooled = mergeMeshSecret(first, lie, "node");
    expect(mergeMeshSecret(fooled, second, "coordinator")).toEqual(second);
    expect(mergeMeshSecret(second, second, "coordinator")).toBe(second);
    expect(mergeMeshSecret({ ...second, isVouched: false }, second, "coordinator")).toEqual(second);
  });

  it("never loses the vouched key to any row of offers from nodes", () => {
    const offers = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 20 });
    fc.assert(
      fc.property(offers, (epochs) => {
        let have = second;
        for (const epoch of epochs) {
          have = mergeMeshSecret(have, { current: { epoch, bytes: random.bytes(32) } }, "node");
        }
        return meshSecretKeys(have).some((key) => key === second.current);
      }),
      { numRuns: 100 },
    );
  });
});

describe("mesh.secret", () => {
  const coordinator = testSelf("coordinator").nodeId;

  /** A link whose other end serves `mesh.secret`. */
  function serving(secret: MeshSecret | undefined, isCoordinator: boolean): Link {
    const { onRequest } = meshSecretHandlers({ secret: () => secret, isCoordinator });
    const id = isCoordinator ? coordinator : testSelf("node").nodeId;
    const link = linkTo(id);
    link.request = async (method, body) => {
      const pieces = body instanceof Uint8Array ? [body] : body;
      const request = { method, body: Buffer.concat(pieces), peer: link.peer };
      const answer = await onRequest?.(request as unknown as IncomingRequest);
      return Buffer.concat(answer instanceof Uint8Array ? [answer] : (answer ?? []));
    };
    return link;
  }

  const fetch = (have: MeshSecret | undefined, link: Link) =>
    fetchMeshSecret(link, {
      have,
      isCoordinator: (peer: Peer) => peer.nodeId === coordinator,
      isMemberNode: () => true,
    });

  it("gives a node the newest, and nothing that it has", async () => {
    expect(await fetch(undefined, serving(second, true))).toEqual(second);
    expect(await fetch(first, serving(second, true))).toEqual(second);
    expect(await fetch(second, serving(second, true))).toBe(second);
    expect(await fetch(undefined, serving(undefined, true))).toBeUndefined();
    expect(epochOf(await fetch(first, serving(second, false)))).toBe(2);
    expect(await fetch(second, serving(first, false))).toBe(second);
  });

  it("corrects and confirms when the coordinator is asked", async () => {
    const fooled = { current: { epoch: 2, bytes: random.bytes(32) }, isVouched: false };
    expect(await fetch(fooled, serving(second, true))).toEqual(second);
    const unsure = { ...second, isVouched: false };
    expect(await fetch(unsure, serving(second, true))).toEqual(second);
  });

  it("asks machines of the member alone", async () => {
    const options = { have: first, isCoordinator: () => false, isMemberNode: () => false };
    await expect(fetchMeshSecret(serving(second, false), options)).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
    });
  });

  it("refuses a request and an answer that are none", async () => {
    const { onRequest } = meshSecretHandlers({ secret: () => first, isCoordinator: true });
    const ask = (text: string) => {
      const body = Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)]);
      return codeOfWire(() => onRequest?.({ body } as unknown as IncomingRequest));
    };
    expect(ask('{"epoch":-1,"fingerprint":""}')).toBe("MESH_PROTOCOL");
    expect(ask('{"epoch":1}')).toBe("MESH_PROTOCOL");
    expect(ask("[]")).toBe("MESH_PROTOCOL");
    const link = serving(second, true);
    for (const length of [0, 3, 40, 100]) {
      link.request = async () => random.bytes(length);
      await expect(fetch(first, link)).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
    }
  });

  it("works over a real link", async () => {
    const handlers = meshSecretHandlers({ secret: () => second, isCoordinator: false });
    const { dialer, server } = await linkPair({}, { handlers });
    const options = { have: first, isCoordinator: () => false, isMemberNode: () => true };
    expect(epochOf(await fetchMeshSecret(dialer, options))).toBe(2);
    await dialer.close();
    await server.close();
  });

  it("shows the key in no fingerprint", () => {
    const print = meshSecretFingerprint(first.current);
    expect(print).toMatch(/^[\w-]{22}$/);
    expect(formatMeshSecret(first)).not.toContain(print);
  });
});

function codeOfWire(action: () => unknown): unknown {
  try {
    action();
    return "none";
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
