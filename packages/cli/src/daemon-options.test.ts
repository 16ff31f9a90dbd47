import { describe, expect, it } from "vitest";
import { MeshCommand } from "./command.js";
import { loadDaemon } from "./daemon.js";
import { daemonFlags, withDaemonOptions } from "./daemon-options.js";

describe("the flags of mesh up", () => {
  it("are those of the configuration, and no others", async () => {
    const command = withDaemonOptions(new MeshCommand("up"));
    const flags = command.options.map((option) => option.long?.slice(2)).sort();
    const page = (await loadDaemon()).configurationPage();
    const keys = [...page.matchAll(/^\| `[\w.]+` \| `--([\w-]+)` \|/gm)].map((match) => match[1]);
    expect(keys.length).toBeGreaterThan(10);
    // Three that the loader reads beside the table: where the data is, the file, one host for
    // three.
    expect(flags).toEqual([...keys, "home", "config", "listen"].sort());
  });

  it("reach the daemon under their own names", async () => {
    const command = withDaemonOptions(new MeshCommand("up")).action(() => undefined);
    await command.parseAsync(
      ["--port-base", "100", "--role", "storage", "--role", "gateway", "--capacity", "1GB"],
      { from: "user" },
    );
    expect(daemonFlags(command.opts())).toEqual({
      "port-base": "100",
      role: ["storage", "gateway"],
      capacity: "1GB",
    });
  });
});
