/** Tells the commands on this machine where the daemon answers, for as long as it runs. */
import { rm } from "node:fs/promises";
import { writePrivate } from "@hearthmesh/client/private-files";
import { type RunningNode, runningNodePath } from "@hearthmesh/client/running-node";
import type { Startable } from "@hearthmesh/core";

export class RunningFile implements Startable {
  readonly name = "running file";
  readonly #path: string;
  readonly #content: RunningNode;

  constructor(home: string, content: RunningNode) {
    this.#path = runningNodePath(home);
    this.#content = content;
  }

  async start(): Promise<void> {
    await writePrivate(this.#path, JSON.stringify(this.#content));
  }

  async stop(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
