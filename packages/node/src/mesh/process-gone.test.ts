import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { systemClock } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { isProcessGone } from "./process-gone.js";

const clock = systemClock();

async function listening() {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { server, peer: { linkAddresses: [`127.0.0.1:${port}`] } };
}

describe("whether the process of a peer is gone", () => {
  it("is not said of one that listens, also when it never answers", async () => {
    const { server, peer } = await listening();
    expect(await isProcessGone(peer, "127.0.0.1:50000", clock)).toBe(false);
    server.close();
  });

  it("is said of one whose port is closed", async () => {
    const { server, peer } = await listening();
    server.close();
    await once(server, "close");
    expect(await isProcessGone(peer, "127.0.0.1:50000", clock)).toBe(true);
    expect(await isProcessGone(peer, "::ffff:127.0.0.1:50000", clock)).toBe(true);
  });

  it("is not asked where the link went to an address that the peer did not give", async () => {
    const { server, peer } = await listening();
    server.close();
    await once(server, "close");
    for (const elsewhere of ["192.0.2.1:50000", "relay:127.0.0.1:9000", "self", ""]) {
      expect(await isProcessGone(peer, elsewhere, clock)).toBe(false);
    }
  });
});
