/** The variables under the names of the deployment guide. */
import { describe, expect, it } from "vitest";
import { loadConfig } from "./load.js";

const load = (env: Record<string, string>) =>
  loadConfig({ flags: {}, env: { MESH_HOME: "/nowhere", ...env }, cwd: "/" });

describe("the variables of the deployment guide", () => {
  const guide = { NODE_ID: "node-a", LISTEN_HOST: "0.0.0.0", LISTEN_PORT: "8000" };

  it("name the node and its HTTP port", () => {
    const { config, effective } = load({ ...guide, MESH_ENABLED: "true" });
    expect(config.nodeName).toBe("node-a");
    expect(config.http).toEqual({ host: "0.0.0.0", port: 8000 });
    expect(effective.get("http.port")?.origin).toBe("variable LISTEN_PORT");
  });

  it("come after our own", () => {
    const own = { MESH_NODE_NAME: "attic", MESH_HTTP_HOST: "127.0.0.1", MESH_HTTP_PORT: "3000" };
    const { config } = load({ ...guide, ...own });
    expect(config.nodeName).toBe("attic");
    expect(config.http).toEqual({ host: "127.0.0.1", port: 3000 });
  });

  it("do not open the port by themselves", () => {
    expect(() => load(guide)).toThrow(/LISTEN_HOST.*only MESH_ENABLED=true opens this port/);
  });

  it("know the guide's four levels of the log", () => {
    const levels = ["debug", "info", "warning", "error"].map(
      (LOG_LEVEL) => load({ LOG_LEVEL }).config.logLevel,
    );
    expect(levels).toEqual(["debug", "info", "warn", "error"]);
    expect(() => load({ LOG_LEVEL: "verbose" })).toThrow(/LOG_LEVEL/);
  });
});
