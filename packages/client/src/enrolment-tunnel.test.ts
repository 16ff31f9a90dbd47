import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { ControlPlaneDoor } from "@hearthmesh/gateway/control-plane";
import { afterEach, describe, expect, it } from "vitest";
import { openEnrolmentTunnel } from "./enrolment-tunnel.js";

const POOL = "ab12cd34";
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A control plane whose enrolment door says in capitals what it hears. */
async function controlPlane(): Promise<string> {
  const target = await listening(
    createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (bytes) => socket.write(String(bytes).toUpperCase()));
      socket.on("end", () => socket.end());
    }),
  );
  const door = new ControlPlaneDoor({
    host: "127.0.0.1",
    port: 0,
    version: "1.2.3",
    agent: {
      isThere: async () => true,
      servesPool: async (poolId) => poolId === POOL,
      openEnrolment: async () => connect(target, "127.0.0.1"),
      complete: async () => {
        throw new MeshError("MESH_FORBIDDEN");
      },
    },
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
  });
  closers.push(() => door.stop());
  await door.start();
  return `http://127.0.0.1:${door.address?.port}`;
}

async function say(address: string, words: string): Promise<string> {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  closers.push(() => socket.destroy());
  socket.write(words);
  const [bytes] = await once(socket, "data");
  const closed = once(socket, "close");
  socket.end();
  await closed;
  return String(bytes);
}

describe("openEnrolmentTunnel", () => {
  it("gives an address whose connections come out at the door, one after the other", async () => {
    const tunnel = await openEnrolmentTunnel(await controlPlane(), POOL);
    closers.push(() => tunnel.close());
    expect(await say(tunnel.address, "one")).toBe("ONE");
    expect(await say(tunnel.address, "two")).toBe("TWO");
  });

  it("closes with all that goes through it", async () => {
    const tunnel = await openEnrolmentTunnel(await controlPlane(), POOL);
    const [host, port] = tunnel.address.split(":");
    const socket = connect(Number(port), host).on("error", () => {});
    socket.write("hello");
    await once(socket, "data");
    const closed = once(socket, "close");
    await tunnel.close();
    await closed;
    await expect(say(tunnel.address, "more")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("says at once what is wrong", async () => {
    const url = await controlPlane();
    const codeOf = (wanted: string, pool = POOL) =>
      openEnrolmentTunnel(wanted, pool).then(
        () => "none",
        (error: MeshError) => error.code,
      );
    expect(await codeOf(url, "ffff")).toBe("MESH_POOL_UNKNOWN");
    expect(await codeOf("https://127.0.0.1:1")).toBe("MESH_BAD_REQUEST");
    expect(await codeOf("ftp://x")).toBe("MESH_BAD_REQUEST");
    expect(await codeOf("")).toBe("MESH_BAD_REQUEST");
    expect(await codeOf("http://127.0.0.1:1")).toBe("MESH_UNREACHABLE");
  });
});
