/**
 * How fast the engine of this machine reads weights, measured in a process of its own: the daemon
 * loads no native library and keeps no memory of it.
 */
import { fork } from "node:child_process";
import { type Clock, type ErrorRecord, fromErrorRecord, MeshError } from "@hearthmesh/core";
import type { Bandwidth } from "../engine/ggml/measure-bandwidth.js";
import { ENGINE_MEASURE_MS_MAX } from "./limits.js";

export interface EngineMeasureOptions {
  readonly engine: "ggml" | "reference";
  readonly threadCounts: readonly number[];
  /** Of ggml; undefined: the installed package. */
  readonly libraryFolder: string | undefined;
}

/** What the child sends back. */
export type EngineMeasureAnswer =
  | { readonly measured: readonly Bandwidth[] }
  | { readonly error: ErrorRecord };

/** `MESH_ENGINE_MISSING`, `MESH_ENGINE_FAILED`, `MESH_TIMEOUT`, `MESH_CANCELLED`. */
export function measureEngine(
  options: EngineMeasureOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly Bandwidth[]> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = fork(new URL("./measure-engine-child.js", import.meta.url), {
      // What the libraries print is not for the daemon's terminal.
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      execArgv: [],
      // A frozen parent does not keep it: it ends when the channel closes.
      serialization: "json",
    });
    const settle = (done: () => void) => {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
      child.removeAllListeners();
      child.on("error", () => undefined);
      child.kill("SIGKILL");
      done();
    };
    const fail = (error: MeshError) => settle(() => reject(error));
    const onAbort = () => fail(new MeshError("MESH_CANCELLED"));
    const timer = clock.setTimeout(
      () => fail(new MeshError("MESH_TIMEOUT", { message: "the engine was not measured in time" })),
      ENGINE_MEASURE_MS_MAX,
    );
    signal.addEventListener("abort", onAbort, { once: true });
    child.on("message", (message: EngineMeasureAnswer) => {
      if ("error" in message) fail(fromErrorRecord(message.error));
      else settle(() => resolve(message.measured));
    });
    child.on("error", (cause) => fail(new MeshError("MESH_ENGINE_FAILED", { cause })));
    child.on("exit", (code, killed) => {
      const how = killed === null ? `code ${code}` : killed;
      const message = `the engine ended while it was measured (${how})`;
      fail(new MeshError("MESH_ENGINE_FAILED", { message }));
    });
    child.send(options, (error) => {
      if (error !== null) fail(new MeshError("MESH_ENGINE_FAILED", { cause: error }));
    });
  });
}
