/**
 * `run/node.json`: where the commands on this machine find the daemon. Gone when it has stopped.
 */
import { rm } from "node:fs/promises";
import { writePrivate } from "@hearthmesh/client/private-files";
import type { Startable } from "@hearthmesh/core";

export interface RunningContent {
  /** The page and the whole API; undefined on a node without a coordinator. */
  httpUrl: string | undefined;
  /** What every node serves on its own machine: health, mesh, services. */
  nodeUrl: string;
  pid: number;
}

export class RunningFile implements Startable {
  readonly name = "running file";
  readonly #path: string;
  readonly #content: RunningContent;

  constructor(path: string, content: RunningContent) {
    this.#path = path;
    this.#content = content;
  }

  async start(): Promise<void> {
    await writePrivate(this.#path, JSON.stringify(this.#content));
  }

  async stop(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
