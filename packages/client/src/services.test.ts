import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { HttpConnection } from "./http-connection.js";
import { addService, listServices, openTunnel, removeService } from "./services.js";

const servers: http.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function door(server: http.Server): Promise<{ host: string; port: number }> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

describe("the services over HTTP", () => {
  it("are listed, added and removed by their paths", async () => {
    const seen: string[] = [];
    const at = await door(
      http.createServer(async (request, response) => {
        let body = "";
        for await (const piece of request) body += piece;
        seen.push(`${request.method} ${request.url} ${body}`);
        response.end(JSON.stringify({ services: [], name: "x" }));
      }),
    );
    const connection = new HttpConnection(at);
    await listServices(connection);
    await addService(connection, { name: "x", port: 1 });
    await removeService(connection, "x/y");
    connection.close();
    expect(seen).toEqual([
      "GET /api/mesh/services ",
      'POST /api/mesh/services {"name":"x","port":1}',
      "DELETE /api/mesh/services/x%2Fy ",
    ]);
  });
});

describe("a tunnel", () => {
  it("is the upgraded connection, with what came early and half-closed directions", async () => {
    const server = http.createServer();
    server.on("upgrade", (request, socket) => {
      expect(request.url).toBe("/api/mesh/route/attic%3Assh/");
      expect(request.headers.upgrade).toBe("hearthmesh-tcp");
      expect(request.headers.host).toMatch(/^127\.0\.0\.1:\d+$/);
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: hearthmesh-tcp\r\n" +
          "X-Mesh-Node: attic\r\nX-Mesh-Service: ssh\r\n\r\nSSH-2.0\r\n",
      );
      let got = "";
      socket.on("data", (piece) => {
        got += piece;
      });
      socket.on("end", () => socket.end(`got ${got}`));
    });
    const { socket, node, service } = await openTunnel({
      door: await door(server),
      target: "attic:ssh",
    });
    expect([node, service]).toEqual(["attic", "ssh"]);
    socket.end("hello");
    let text = "";
    for await (const piece of socket) text += piece;
    expect(text).toBe("SSH-2.0\r\ngot hello");
  });

  it("fails with the node's own error, or in words about its door", async () => {
    const problem = {
      code: "MESH_SERVICE_UNKNOWN",
      detail: "no service is called x",
      hint: "look",
    };
    const refusing = http.createServer((_request, response) => {
      response.writeHead(404, { "content-type": "application/problem+json" });
      response.end(JSON.stringify(problem));
    });
    await expect(openTunnel({ door: await door(refusing), target: "x" })).rejects.toMatchObject({
      code: "MESH_SERVICE_UNKNOWN",
      message: "no service is called x",
    });
    const other = http.createServer((_request, response) => response.end("hello"));
    await expect(openTunnel({ door: await door(other), target: "x" })).rejects.toMatchObject({
      code: "MESH_PROTOCOL",
    });
    const closed = await door(net.createServer() as http.Server);
    servers.pop()?.close();
    await expect(openTunnel({ door: closed, target: "x" })).rejects.toMatchObject({
      code: "MESH_UNREACHABLE",
    });
  });
});
