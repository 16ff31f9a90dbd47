import { get } from "node:http";
import { silentLogger, systemClock } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { METRICS_CONTENT_TYPE, MetricsDoor, metricsText } from "./index.js";
import { METRICS, metricsPage } from "./metrics-table.js";

function statusFor(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: "/metrics", headers: { host } };
    get({ ...options, agent: false }, (answer) => {
      answer.resume();
      answer.once("end", () => resolve(answer.statusCode ?? 0));
    }).once("error", reject);
  });
}

describe("the metrics door", () => {
  let door: MetricsDoor;
  let base: string;
  let fail = false;

  beforeEach(async () => {
    fail = false;
    door = new MetricsDoor({
      host: "127.0.0.1",
      port: 0,
      clock: systemClock(),
      log: silentLogger,
      async metrics() {
        if (fail) throw new Error("secret detail");
        const labels = { node: 'a"b\\c' };
        const body = metricsText([
          { name: "mesh_chunks", labels, value: 12 },
          { name: "mesh_storage_used_bytes", labels, value: Number.NaN },
        ]);
        return { contentType: METRICS_CONTENT_TYPE, body };
      },
      health: async () => ({ status: "degraded", checks: [] }),
      ready: async () => ({ status: "failing", checks: [] }),
    });
    await door.start();
    base = `http://127.0.0.1:${door.address?.port}`;
  });
  afterEach(() => door.stop());

  it("writes the text that Prometheus reads", async () => {
    const response = await fetch(`${base}/metrics`);
    expect(response.headers.get("content-type")).toBe(METRICS_CONTENT_TYPE);
    expect(await response.text()).toBe(
      [
        "# HELP mesh_chunks Chunks on this node",
        "# TYPE mesh_chunks gauge",
        'mesh_chunks{node="a\\"b\\\\c"} 12',
        "# HELP mesh_storage_used_bytes Bytes that chunks take on this node",
        "# TYPE mesh_storage_used_bytes gauge",
        'mesh_storage_used_bytes{node="a\\"b\\\\c"} NaN',
        "",
      ].join("\n"),
    );
  });

  it("answers health, and nothing else", async () => {
    expect((await fetch(`${base}/health`)).status).toBe(200);
    expect((await fetch(`${base}/health/live`)).status).toBe(200);
    expect((await fetch(`${base}/health/ready`)).status).toBe(503);
    expect((await fetch(`${base}/`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: "POST" })).status).toBe(405);
  });

  it("tells a web page nothing that comes under a name of its own", async () => {
    const port = door.address?.port ?? 0;
    expect(await statusFor(port, "rebound.example")).toBe(403);
    expect(await statusFor(port, `rebound.example:${port}`)).toBe(403);
    expect(await statusFor(port, "localhost.rebound.example")).toBe(403);
    for (const host of ["localhost:9999", "127.0.0.1", "[::1]:9090", "LOCALHOST"]) {
      expect([host, await statusFor(port, host)]).toEqual([host, 200]);
    }
  });

  it("does not show what went wrong", async () => {
    fail = true;
    const response = await fetch(`${base}/metrics`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
  });

  it("says which port is taken", async () => {
    const second = new MetricsDoor({
      host: "127.0.0.1",
      port: door.address?.port ?? 0,
      clock: systemClock(),
      log: silentLogger,
      metrics: async () => ({ contentType: "", body: "" }),
      health: async () => ({ status: "ok", checks: [] }),
      ready: async () => ({ status: "ok", checks: [] }),
    });
    await expect(second.start()).rejects.toMatchObject({
      code: "MESH_PORT_TAKEN",
      hint: expect.stringContaining("--metrics-port"),
    });
  });
});

describe("the table of metrics", () => {
  it("has a page that names each one with a sample", () => {
    const page = metricsPage();
    for (const [name, { sample, labels }] of Object.entries(METRICS)) {
      expect(page).toContain(`## \`${name}\``);
      expect(sample.startsWith(name)).toBe(true);
      for (const label of labels) expect(sample).toContain(`${label}="`);
    }
  });
});
