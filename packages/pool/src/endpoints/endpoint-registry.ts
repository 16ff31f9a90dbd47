/**
 * The endpoints that an operator has put on this node, kept by the injected storage. Changes are
 * made one after the other and are in force only when they have been kept.
 */
import { errorFields, type Logger, MeshError } from "@hearthmesh/core";
import { isThisMachine, parseEndpoint } from "./endpoint-record.js";
import type { EndpointInput, EndpointRecord } from "./endpoint-service.js";
import { ENDPOINTS_PER_NODE_MAX } from "./limits.js";

export interface EndpointStorage {
  /** What was saved last; an empty list before that. */
  load(): Promise<readonly unknown[]>;
  /** Resolves when the list outlives a crash. */
  save(endpoints: readonly EndpointRecord[]): Promise<void>;
}

export interface EndpointRegistryOptions {
  readonly storage: EndpointStorage;
  /** Ports of the node itself: a node does not ask itself in a circle. */
  ownPorts(): readonly number[];
  readonly log: Logger;
}

export class EndpointRegistry {
  readonly #options: EndpointRegistryOptions;
  readonly #endpoints = new Map<string, EndpointRecord>();
  readonly #listeners = new Set<() => void>();
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: EndpointRegistryOptions) {
    this.#options = options;
  }

  /** Reads what was saved; one that can no longer be used is left out with a warning. */
  async load(): Promise<void> {
    const { storage, log } = this.#options;
    for (const saved of await storage.load()) {
      if (this.#endpoints.size >= ENDPOINTS_PER_NODE_MAX) break;
      try {
        const endpoint = this.#checked(saved);
        this.#endpoints.set(endpoint.name, endpoint);
      } catch (error) {
        log.warn("a saved endpoint is left out", errorFields(error));
      }
    }
    this.#tellAll();
  }

  /** By name. */
  list(): readonly EndpointRecord[] {
    return [...this.#endpoints.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): EndpointRecord | undefined {
    return this.#endpoints.get(name);
  }

  /** `MESH_BAD_REQUEST`, `MESH_SERVICE_EXISTS`, `MESH_LIMIT`. */
  add(input: EndpointInput): Promise<EndpointRecord> {
    return this.#change(async () => {
      const endpoint = this.#checked(input);
      if (this.#endpoints.has(endpoint.name)) {
        throw new MeshError("MESH_SERVICE_EXISTS", {
          message: `${endpoint.name} is an endpoint of this node already`,
          hint: `\`mesh endpoint rm ${endpoint.name}\` takes it away.`,
        });
      }
      if (this.#endpoints.size >= ENDPOINTS_PER_NODE_MAX) {
        throw new MeshError("MESH_LIMIT", {
          message: `a node has at most ${ENDPOINTS_PER_NODE_MAX} endpoints`,
          hint: "Remove one that is not needed: `mesh endpoint ls` shows them.",
        });
      }
      await this.#options.storage.save([...this.list(), endpoint]);
      this.#endpoints.set(endpoint.name, endpoint);
      return endpoint;
    });
  }

  /** `MESH_NOT_FOUND` tells what there is. */
  remove(name: string): Promise<EndpointRecord> {
    return this.#change(async () => {
      const endpoint = this.#endpoints.get(name);
      if (endpoint === undefined) {
        const names = this.list().map((one) => one.name);
        throw new MeshError("MESH_NOT_FOUND", {
          message: `this node has no endpoint ${JSON.stringify(name.slice(0, 80))}`,
          hint:
            names.length === 0
              ? "An endpoint is removed on the node where it was added."
              : `It has: ${names.join(", ")}.`,
        });
      }
      await this.#options.storage.save(this.list().filter((one) => one !== endpoint));
      this.#endpoints.delete(name);
      return endpoint;
    });
  }

  /** Called after each change; answers how to stop listening. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #checked(input: unknown): EndpointRecord {
    const endpoint = parseEndpoint(input);
    const url = new URL(endpoint.url);
    const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
    if (!isThisMachine(url) || !this.#options.ownPorts().includes(port)) return endpoint;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `port ${port} is this node's own: requests would go in a circle`,
      hint: "Name the address of the server that runs the models.",
    });
  }

  #change<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => {});
    return done.then((result) => {
      this.#tellAll();
      return result;
    });
  }

  #tellAll(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
