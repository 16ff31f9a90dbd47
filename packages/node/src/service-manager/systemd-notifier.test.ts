/** Messages to systemd, read by a real listener on a real socket. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LogFields, type Logger, silentLogger, systemClock } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SystemdNotifier, takeNotifyTarget } from "./systemd-notifier.js";
import { NotifyListener, whyNoNotifyListener } from "./testing/notify-listener.js";

const missing = whyNoNotifyListener();

describe("what systemd asks for", () => {
  const env = { NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7", HOME: "/" };

  it("is read once, and not passed on to programs that are started", () => {
    const own: Record<string, string | undefined> = { ...env };
    expect(takeNotifyTarget(own, 7)).toEqual({ socket: "/run/x", watchdogMs: 30_000 });
    expect(own).toEqual({ HOME: "/" });
    expect(takeNotifyTarget(own, 7)).toBeUndefined();
  });

  it("has no watchdog for another process, or without a time", () => {
    expect(takeNotifyTarget({ ...env }, 8)?.watchdogMs).toBeUndefined();
    for (const WATCHDOG_USEC of [undefined, "", "0", "-1", "soon"]) {
      expect(takeNotifyTarget({ ...env, WATCHDOG_USEC }, 7)).toEqual({
        socket: "/run/x",
        watchdogMs: undefined,
      });
    }
  });

  it("is told at least every half hour, however long the watchdog waits", () => {
    const WATCHDOG_USEC = "18446744073709551614";
    expect(takeNotifyTarget({ ...env, WATCHDOG_USEC }, 7)?.watchdogMs).toBe(3_600_000);
  });

  it("may be an abstract socket, and nothing of another kind", () => {
    expect(takeNotifyTarget({ NOTIFY_SOCKET: "@hearthmesh" }, 1)?.socket).toBe("@hearthmesh");
    expect(takeNotifyTarget({ NOTIFY_SOCKET: "vsock:2:1" }, 1)).toBeUndefined();
  });
});

const title = "messages to systemd";
describe.skipIf(missing !== undefined)(
  missing === undefined ? title : `${title} (${missing})`,
  () => {
    let folder = "";
    let listener: NotifyListener;
    let heard: readonly string[] = [];
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), "hearthmesh-notify-"));
      listener = await NotifyListener.open(join(folder, "notify"));
      heard = listener.heard;
    });
    afterEach(() => {
      listener.close();
      rmSync(folder, { recursive: true, force: true });
    });

    function notifier(watchdogMs?: number, log: Logger = silentLogger, name = "notify") {
      const target = { socket: join(folder, name), watchdogMs };
      return new SystemdNotifier({
        ...{ target, searchPath: process.env.PATH, clock: systemClock(), log },
      });
    }

    it("say what it does, when it is up, and when it stops", async () => {
      const one = notifier();
      await one.status("starting\nREADY=1");
      await one.ready("node attic of alice is up");
      await one.stopping();
      await expect.poll(() => heard.at(-1), { timeout: 20_000 }).toMatch(/^STOPPING=1/);
      const told = heard.filter((line) => line.includes("STATUS="));
      expect(told).toEqual([
        "STATUS=starting READY=1",
        "READY=1 | STATUS=node attic of alice is up",
        "STOPPING=1 | STATUS=stopping",
      ]);
    });

    it("feed the watchdog until it stops, and not before it is up", async () => {
      const one = notifier(40);
      const beats = () => heard.filter((line) => line === "WATCHDOG=1").length;
      await one.status("starting");
      expect(beats()).toBe(0);
      await one.ready("up");
      await expect.poll(beats, { timeout: 20_000 }).toBeGreaterThan(2);
      await one.stopping();
      await expect.poll(() => heard.at(-1), { timeout: 20_000 }).toMatch(/^STOPPING=1/);
    });

    it("that nobody hears are said once in the log, and are no error", async () => {
      const warnings: [string, LogFields | undefined][] = [];
      const warn = (text: string, fields?: LogFields) => void warnings.push([text, fields]);
      const one = notifier(undefined, { ...silentLogger, warn }, "nobody");
      await one.status("a");
      await one.ready("b");
      await one.stopping();
      expect(warnings.map(([text]) => text)).toEqual(["systemd could not be told"]);
    });
  },
);
