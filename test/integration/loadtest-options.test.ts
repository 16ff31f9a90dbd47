/** What `npm run loadtest` says when it cannot measure: one sentence, before it starts anything. */
import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../../scripts/lib.mjs";

/** Exit code and the first line that it says. */
function loadtest(...args: string[]): Promise<[unknown, string]> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, "scripts/loadtest.mjs"), ...args], (error, stdout) =>
      resolve([error?.code ?? 0, stdout.split("\n")[0] ?? ""]),
    );
  });
}

async function withServer<T>(status: number, use: (url: string) => Promise<T>): Promise<T> {
  const server: Server = createServer((_request, response) => response.writeHead(status).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

describe("the load test", () => {
  it("refuses options that it cannot use, and names what it takes", async () => {
    for (const users of ["0", "1e9", "abc", ""]) {
      const words = "--users is a number from 1 to 10000";
      expect(await loadtest(`--users=${users}`)).toEqual([2, words]);
    }
    const rate = "--spawn-rate is a number from 0.1 to 10000";
    expect(await loadtest("--spawn-rate", "0")).toEqual([2, rate]);
    for (const host of ["https://localhost:8443", "localhost:8000"]) {
      const words = `--host ${host} is not of the form http://localhost:8000`;
      expect(await loadtest("--host", host)).toEqual([2, words]);
    }
    expect(await loadtest("--usres", "5")).toEqual([2, expect.stringContaining("'--usres'")]);
  });

  it("measures no host that is none of a mesh", async () => {
    const gone = await withServer(200, async (url) => url);
    const [code, words] = await loadtest("--host", gone);
    expect(code).toBe(1);
    expect(words).toBe(
      `${gone} does not answer (ECONNREFUSED): start the mesh, or name another --host`,
    );
    await withServer(401, async (url) => {
      const needsKey = "run this on the node's own machine, which needs no API key";
      expect(await loadtest("--host", url)).toEqual([
        ...[1, `${url} answers /mesh/peers with 401: ${needsKey}`],
      ]);
    });
    await withServer(404, async (url) => {
      expect(await loadtest("--host", url)).toEqual([
        ...[1, `${url} answers /mesh/peers with 404: is it a node of the mesh?`],
      ]);
    });
  });
});
