/** The broker that nats.js needs: Debian's nats-server on a free port of loopback. */
import { spawn, spawnSync } from "node:child_process";

const START_MS_MAX = 10_000;

/** Undefined when nats-server is not there. */
export function brokerVersion() {
  const { status, stdout } = spawnSync("nats-server", ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.trim().replace(/^.*v/, "") : undefined;
}

/** Resolves to its address; it ends with this process at the latest. */
export async function startBroker() {
  const broker = spawn("nats-server", ["--addr", "127.0.0.1", "--port", "-1"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stop = () => broker.kill();
  process.once("exit", stop);
  const url = await new Promise((resolve, reject) => {
    let log = "";
    const timer = setTimeout(
      () => reject(new Error(`nats-server did not start: ${log}`)),
      START_MS_MAX,
    );
    broker.once("error", reject);
    broker.once("exit", (code) => reject(new Error(`nats-server ended with ${code}: ${log}`)));
    broker.stderr.on("data", (text) => {
      log = (log + text).slice(-2000);
      const found = /Listening for client connections on (\S+)/.exec(log);
      if (found === null) return;
      clearTimeout(timer);
      resolve(`nats://${found[1]}`);
    });
  });
  return {
    url,
    async stop() {
      process.removeListener("exit", stop);
      const exited = new Promise((resolve) => broker.once("exit", resolve));
      broker.kill();
      await exited;
    },
  };
}
