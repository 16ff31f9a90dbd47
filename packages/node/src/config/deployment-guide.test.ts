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

  it("know the guide's four levels of the log, also in capitals", () => {
    const levels = ["debug", "info", "warning", "error", "WARNING"].map(
      (LOG_LEVEL) => load({ LOG_LEVEL }).config.logLevel,
    );
    expect(levels).toEqual(["debug", "info", "warn", "error", "warn"]);
    expect(() => load({ LOG_LEVEL: "verbose" })).toThrow(/LOG_LEVEL/);
  });

  /** What the operator reads, without the place that all of them name. */
  const refusalOf = (env: Record<string, string>) => {
    try {
      load({ MESH_ENABLED: "true", ...env });
    } catch (error) {
      return (error as Error).message.replace("the configuration is not valid: ", "");
    }
    return "";
  };

  it("say in one sentence what is wrong and what to write instead", () => {
    const name = "use a-z, 0-9 and -, up to 63";
    for (const NODE_ID of ["a/b", "node a", "  ", "a\nb", "A", "-a"]) {
      const shown = JSON.stringify(NODE_ID);
      expect(refusalOf({ NODE_ID })).toBe(`node.name = ${shown} (variable NODE_ID): ${name}`);
    }
    const port = "use a whole number from 1 to 65535";
    for (const LISTEN_PORT of ["0", "-1", "70000", "abc", "80 80", "8000.5", "0x50", "1e3"]) {
      const shown = JSON.stringify(LISTEN_PORT);
      expect(refusalOf({ LISTEN_PORT })).toBe(
        `http.port = ${shown} (variable LISTEN_PORT): ${port}`,
      );
    }
    expect(refusalOf({ LOG_LEVEL: "verbose" })).toMatch(/: use debug, info, warn or error$/);
    expect(refusalOf({ YGGDRASIL_PEERS: ",," })).toMatch(/: an entry of it is empty$/);
    expect(refusalOf({ YGGDRASIL_PEERS: "tcp://x:99999" })).toMatch(/ is not tcp:\/\/host:port$/);
    expect(refusalOf({ MESH_OVERLAY_MULTICAST: "maybe" })).toMatch(/: use true or false$/);
    // Compose gives a variable that is set to nothing: as if it were not there.
    const nothing = { NODE_ID: "", LISTEN_HOST: "", LISTEN_PORT: "", LOG_LEVEL: "" };
    expect(refusalOf({ ...nothing, YGGDRASIL_PEERS: "" })).toBe("");
  });

  it("are shown in part when they are long, and never with what may be secret", () => {
    expect(refusalOf({ NODE_ID: "a".repeat(5_000) }).length).toBeLessThan(200);
    const peers = Array.from({ length: 1_000 }, (_, at) => `tcp://10.0.0.1:${1_000 + at}`);
    const tooMany = refusalOf({ YGGDRASIL_PEERS: peers.join() });
    expect([tooMany.length < 300, tooMany]).toEqual([true, expect.stringMatching(/at most \d+$/)]);
    const wrong = refusalOf({
      YGGDRASIL_PEERS: peers
        .slice(0, 60)
        .map((one) => `${one}x`)
        .join(),
    });
    expect([wrong.length < 500, wrong]).toEqual([true, expect.stringMatching(/and 57 more$/)]);
    const secret = "socks://me:hunter2@proxy:1080/node:99999,tls://b:1?password=hunter2&x=1";
    expect(refusalOf({ YGGDRASIL_PEERS: secret })).not.toContain("hunter2");
    expect(refusalOf({ YGGDRASIL_PEERS: "socks://me:hun\nter2@proxy" })).not.toContain("ter2");
  });

  it("cannot write into the configuration of Yggdrasil", () => {
    const injected = 'tcp://x:90"],\n"AdminListen":"tcp://0.0.0.0:9';
    for (const YGGDRASIL_PEERS of [injected, 'tcp://x:90"', "tcp://x y:90"]) {
      expect(refusalOf({ YGGDRASIL_PEERS })).toContain("overlay.peers");
    }
  });
});
