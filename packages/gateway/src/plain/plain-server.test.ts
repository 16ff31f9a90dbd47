import { request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { limits, MeshError, silentLogger, systemRandom } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { plainServer } from "./plain-server.js";

let server: Server;
let held: ServerResponse[];

beforeEach(async () => {
  held = [];
  server = plainServer({
    name: "door",
    requestMsMax: 0,
    random: systemRandom(),
    log: silentLogger,
    serve: async ({ url = "/" }, response) => {
      decodeURIComponent(url);
      if (url === "/secret") throw new Error("a key");
      held.push(response);
    },
    upgrade: async () => {
      throw new MeshError("MESH_NOT_FOUND");
    },
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function ask(path: string): Promise<{ status: number; text: string }> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let text = "";
      response.on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on("error", reject).end();
  });
}

describe("the server of the plain doors", () => {
  it("answers what is thrown as a problem, without a word of what is inside", async () => {
    const wrong = await ask("/%zz");
    expect([wrong.status, JSON.parse(wrong.text).code]).toEqual([400, "MESH_BAD_REQUEST"]);
    const failed = await ask("/secret");
    expect([failed.status, JSON.parse(failed.text).code]).toEqual([500, "MESH_INTERNAL"]);
    expect(failed.text).not.toContain("a key");
  });

  it("refuses requests above its limit, and takes them again when others have ended", async () => {
    const max = limits.HTTP_REQUESTS_IN_FLIGHT_MAX;
    const waiting = Array.from({ length: max }, () => ask("/"));
    await expect.poll(() => held.length).toBe(max);
    const refused = await ask("/");
    expect([refused.status, JSON.parse(refused.text).code]).toEqual([429, "MESH_LIMIT"]);
    for (const response of held) response.end("done");
    expect((await Promise.all(waiting)).every(({ status }) => status === 200)).toBe(true);
    const later = ask("/");
    await expect.poll(() => held.length).toBe(max + 1);
    held.at(-1)?.end();
    expect((await later).status).toBe(200);
  });
});
