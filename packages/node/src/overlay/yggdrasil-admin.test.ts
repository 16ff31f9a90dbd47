import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN_ANSWER_BYTES_MAX, OVERLAY_PEERS_MAX } from "./limits.js";
import { YggdrasilAdmin } from "./yggdrasil-admin.js";

const SELF = {
  build_name: "yggdrasil",
  build_version: "0.5.12",
  key: "d44126b698941a7d8ac1c4663ee2200e7ec2b18ebc79bf59d96db90e5494645a",
  address: "200:577d:b292:ced7:cb04:ea7c:7733:823b",
  subnet: "300:577d:b292:ced7::/64",
};
const PEER = {
  address: "200:bf88:4160:4ea9:947a:cfdc:54f4:44bf",
  key: "a03bdf4fd8ab35c29811d585dda07d629fe933bac53f5ff6344ea87eb5e7bcd2",
  remote: "tls://203.0.113.9:9010?password=word",
  bytes_recvd: 692,
  bytes_sent: 1239,
  uptime: 3.5,
};
/** Waits only a moment for what never comes. */
const hasty: Clock = {
  ...systemClock(),
  setTimeout: (task, ms) => systemClock().setTimeout(task, ms / 40),
};

describe.skipIf(process.platform === "win32")("the admin socket of yggdrasil", () => {
  let folder: string;
  let server: Server;
  let admin: YggdrasilAdmin;
  const sockets = new Set<Socket>();
  const asked: unknown[] = [];
  let answer: (socket: Socket) => void;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "yggdrasil-admin-"));
    const path = join(folder, "admin.sock");
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("data", (bytes) => {
        asked.push(JSON.parse(bytes.toString()));
        answer(socket);
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    admin = new YggdrasilAdmin(path, systemClock());
    asked.length = 0;
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  const says = (text: string) => {
    answer = (socket) => socket.end(text);
  };
  const responds = (response: unknown) => says(JSON.stringify({ status: "success", response }));

  it("says who it is", async () => {
    responds(SELF);
    const { key, address, subnet } = SELF;
    expect(await admin.self()).toEqual({ key, address, subnet, version: "0.5.12" });
    expect(asked).toEqual([{ request: "getself", arguments: {}, keepalive: false }]);
    responds({ ...SELF, build_version: "unknown" });
    expect((await admin.self()).version).toBeUndefined();
  });

  it("says its peers as 0.4 does, without passwords", async () => {
    responds({ peers: [PEER] });
    expect(await admin.peers()).toEqual([
      {
        key: PEER.key,
        address: PEER.address,
        remote: "tls://203.0.113.9:9010",
        up: true,
        inbound: null,
        uptimeSeconds: 3.5,
        bytesIn: 692,
        bytesOut: 1239,
      },
    ]);
  });

  it("says its peers as 0.5 does, those who are not there last", async () => {
    const down = {
      up: false,
      key: "",
      port: 0,
      remote: "tcp://b:1",
      last_error: "refused\u001b[31m",
    };
    responds({ peers: [down, { ...PEER, up: true, inbound: true }] });
    expect(await admin.peers()).toMatchObject([
      { up: true, inbound: true, key: PEER.key },
      { up: false, key: "", address: "", remote: "tcp://b:1", reason: "refused [31m" },
    ]);
  });

  it("is not believed what cannot be", async () => {
    const hostile = { ...PEER, key: "../x", address: "127.0.0.1", uptime: -1, bytes_recvd: "9" };
    responds({ peers: [hostile] });
    expect(await admin.peers()).toMatchObject([
      { key: "", address: "", uptimeSeconds: 0, bytesIn: 0 },
    ]);
    responds({ peers: new Array(OVERLAY_PEERS_MAX + 1).fill(PEER) });
    expect(await admin.peers()).toHaveLength(OVERLAY_PEERS_MAX);
    responds({ ...SELF, address: "2001:db8::1" });
    await expect(admin.self()).rejects.toThrow("does not say its key and its address");
    for (const response of [{}, { peers: 7 }, { peers: [null] }, null, []]) {
      responds(response);
      await expect(admin.peers()).rejects.toThrow(/does not say|another form/);
    }
  });

  it("may refuse, talk nonsense, or talk too long", async () => {
    says(JSON.stringify({ status: "error", error: "Unknown action", response: null }));
    await expect(admin.self()).rejects.toThrow("it refused: Unknown action");
    says("HTTP/1.1 400 Bad Request\r\n\r\n");
    await expect(admin.self()).rejects.toThrow("not JSON");
    says('{"status":"success","response":{');
    await expect(admin.self()).rejects.toThrow("not JSON");
    says("");
    await expect(admin.self()).rejects.toThrow("not JSON");
    const piece = Buffer.alloc(1 << 16, "[");
    answer = (socket) => {
      const more = () => {
        while (socket.writable && socket.write(piece));
        socket.once("drain", more);
      };
      more();
    };
    await expect(admin.self()).rejects.toThrow(`longer than ${ADMIN_ANSWER_BYTES_MAX} bytes`);
  });

  it("may be silent, break off, or not be there", async () => {
    admin = new YggdrasilAdmin(join(folder, "admin.sock"), hasty);
    answer = () => undefined;
    await expect(admin.self()).rejects.toThrow("no answer within 2 s");
    // Half an answer and then nothing is silence too.
    answer = (socket) => void socket.write('{"status":"success"');
    await expect(admin.peers()).rejects.toThrow("no answer within 2 s");
    admin = new YggdrasilAdmin(join(folder, "admin.sock"), systemClock());
    answer = (socket) => socket.destroy();
    await expect(admin.self()).rejects.toThrow();
    const gone = new YggdrasilAdmin(join(folder, "nobody.sock"), hasty);
    await expect(gone.self()).rejects.toThrow("ENOENT");
  });
});
