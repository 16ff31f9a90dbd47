import { describe, expect, it } from "vitest";
import { parseEndpoint } from "./endpoint-record.js";

const good = { name: "gpu", url: "http://127.0.0.1:11434" };
const refused = (input: object, message: RegExp) => {
  expect(() => parseEndpoint({ ...good, ...input })).toThrow(
    expect.objectContaining({ code: "MESH_BAD_REQUEST", message: expect.stringMatching(message) }),
  );
};

describe("what an operator says about an endpoint", () => {
  it("gets its defaults, and /v1 where no path stands", () => {
    expect(parseEndpoint(good)).toEqual({
      ...{ v: 1, name: "gpu", url: "http://127.0.0.1:11434/v1" },
      ...{ kind: "openai", models: [], requestsAtOnce: 4 },
    });
    const urlOf = (url: string) => parseEndpoint({ ...good, url }).url;
    expect(urlOf("http://127.0.0.1:11434/v1/")).toBe("http://127.0.0.1:11434/v1");
    expect(urlOf("https://models.example/api/openai")).toBe("https://models.example/api/openai");
    expect(urlOf("http://[::1]:8000")).toBe("http://[::1]:8000/v1");
  });

  it("is read again from what was kept of it", () => {
    const kept = parseEndpoint({ ...good, keyFile: "/home/alice/key", models: ["a", "a", "b"] });
    expect(kept.models).toEqual(["a", "b"]);
    expect(parseEndpoint(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
  });

  it("is refused field by field", () => {
    for (const name of ["", "GPU", "a b", "-a", "x".repeat(64), 7]) refused({ name }, /no name/);
    for (const url of ["", "ftp://x", "file:///etc/passwd", "localhost:1", "http://", 5]) {
      refused({ url }, /no address/);
    }
    for (const url of ["http://a:b@127.0.0.1", "http://127.0.0.1/?k=1", "http://127.0.0.1/#x"]) {
      refused({ url }, /no user, password/);
    }
    refused({ kind: "magic" }, /no kind/);
    for (const models of ["x", [""], ["a b"], ["x".repeat(257)], [1], Array(129).fill("x")]) {
      refused({ models }, /models are|name of a model/);
    }
    for (const requestsAtOnce of [0, -1, 1.5, 257, "4"]) refused({ requestsAtOnce }, /at a time/);
    for (const keyFile of ["", "relative/key", 5]) refused({ keyFile }, /whole path/);
  });

  it("sends no key over the network in plaintext", () => {
    const keyFile = "/home/alice/key";
    refused({ keyFile, url: "http://192.168.1.20:8000" }, /plaintext/);
    refused({ keyFile, url: "http://127.0.0.1.example:8000" }, /plaintext/);
    expect(parseEndpoint({ ...good, keyFile }).keyFile).toBe(keyFile);
    expect(parseEndpoint({ ...good, keyFile, url: "https://models.example" })).toBeDefined();
  });
});
