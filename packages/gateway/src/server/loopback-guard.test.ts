import { describe, expect, it } from "vitest";
import { guardLoopback } from "./loopback-guard.js";

const PORT = 3000;
const own = "localhost:3000";
const guard = (method: string, path: string, headers: Record<string, string>) => () =>
  guardLoopback({ method, path, headers }, PORT);

describe("the guard of the loopback door", () => {
  it.each([own, "127.0.0.1:3000", "[::1]:3000", "LOCALHOST:3000"])("knows %s", (host) => {
    expect(guard("GET", "/api/status", { host })).not.toThrow();
  });

  it.each(["evil.example:3000", "localhost", "localhost:3001", "localhost.evil.example:3000", ""])(
    "refuses the host %s, which rebinding would use",
    (host) => {
      expect(guard("GET", "/", { host })).toThrow(/does not name this machine/);
    },
  );

  it("refuses a request without a host", () => {
    expect(guard("GET", "/", {})).toThrow(/does not name this machine/);
  });

  it.each([
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "http://localhost:3001" },
    { origin: "https://localhost:3000" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { origin: "http://localhost:3000", "sec-fetch-site": "cross-site" },
  ])("refuses a change that comes with %o", (headers) => {
    expect(guard("POST", "/api/invites", { host: own, ...headers })).toThrow(/another web site/);
  });

  it("lets the page itself and programs change things", () => {
    const page = { host: own, origin: "http://localhost:3000", "sec-fetch-site": "same-origin" };
    expect(guard("POST", "/api/invites", page)).not.toThrow();
    expect(guard("POST", "/api/invites", { host: own })).not.toThrow();
    expect(guard("GET", "/", { host: own, "sec-fetch-site": "none" })).not.toThrow();
  });

  it("lets another site link to the page, and read nothing", () => {
    const linked = { host: own, "sec-fetch-site": "cross-site" };
    expect(guard("GET", "/", linked)).not.toThrow();
    expect(guard("GET", "/api/status", linked)).toThrow(/another web site/);
    expect(guard("GET", "/api/files/content", linked)).toThrow(/another web site/);
  });

  it("takes a host without a port on port 80", () => {
    const request = { method: "GET", path: "/", headers: { host: "localhost" } };
    expect(() => guardLoopback(request, 80)).not.toThrow();
  });
});
