/**
 * The services that an operator has put on this node. Kept by the injected storage, so that they
 * are there again after a restart. Changes are made one after the other and are in force only when
 * they have been kept.
 */
import { isIP } from "node:net";
import { errorFields, type Logger, limits, MeshError } from "@hearthmesh/core";
import { parseService, type ServiceDefinition, type ServiceInput } from "./service-definition.js";

export interface ServiceStorage {
  /** What was saved last; an empty list before that. */
  load(): Promise<readonly unknown[]>;
  /** Resolves when the list outlives a crash. */
  save(services: readonly ServiceDefinition[]): Promise<void>;
}

export interface ServiceRegistryOptions {
  readonly storage: ServiceStorage;
  /** Ports of the node itself, on all its doors: a node does not proxy to itself. */
  ownPorts(): readonly number[];
  /** Addresses of this machine beside loopback. */
  ownAddresses?(): readonly string[];
  readonly log: Logger;
}

export class ServiceRegistry {
  readonly #options: ServiceRegistryOptions;
  readonly #services = new Map<string, ServiceDefinition>();
  readonly #listeners = new Set<() => void>();
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: ServiceRegistryOptions) {
    this.#options = options;
  }

  /**
   * Reads what was saved. One that can no longer be used, such as when the node's own port has
   * moved onto it, is left out with a warning.
   */
  async load(): Promise<void> {
    const { storage, log } = this.#options;
    for (const saved of await storage.load()) {
      try {
        const service = parseService(saved);
        this.#refuseOwnPort(service);
        if (this.#services.size >= limits.SERVICES_PER_NODE_MAX) break;
        this.#services.set(service.name, service);
      } catch (error) {
        log.warn("a saved service is left out", errorFields(error));
      }
    }
    this.#tellAll();
  }

  /** By name. */
  list(): readonly ServiceDefinition[] {
    return [...this.#services.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): ServiceDefinition | undefined {
    return this.#services.get(name);
  }

  /** `MESH_BAD_REQUEST`, `MESH_SERVICE_EXISTS` (also for the same again), `MESH_LIMIT`. */
  add(input: ServiceInput): Promise<ServiceDefinition> {
    return this.#change(async () => {
      const service = parseService(input);
      this.#refuseOwnPort(service);
      const there = this.#services.get(service.name);
      if (there !== undefined) {
        throw new MeshError("MESH_SERVICE_EXISTS", {
          message: `${service.name} is a service of this node already, on port ${there.port}`,
          hint: `\`mesh service remove ${service.name}\` takes it away.`,
          details: { service: service.name },
        });
      }
      if (this.#services.size >= limits.SERVICES_PER_NODE_MAX) {
        throw new MeshError("MESH_LIMIT", {
          message: `a node has at most ${limits.SERVICES_PER_NODE_MAX} services`,
          hint: "Remove one that is not needed: `mesh service list` shows them.",
        });
      }
      await this.#options.storage.save([...this.list(), service]);
      this.#services.set(service.name, service);
      return service;
    });
  }

  /** Answers with what was removed. `MESH_NOT_FOUND` tells what there is. */
  remove(name: string): Promise<ServiceDefinition> {
    return this.#change(async () => {
      const service = this.#services.get(name);
      if (service === undefined) {
        const names = this.list().map((one) => one.name);
        throw new MeshError("MESH_NOT_FOUND", {
          message: `this node has no service ${JSON.stringify(name.slice(0, 80))}`,
          hint:
            names.length === 0
              ? "No service runs here. A service is removed on the node where it was added."
              : `It has: ${names.join(", ")}.`,
        });
      }
      await this.#options.storage.save(this.list().filter((one) => one !== service));
      this.#services.delete(name);
      return service;
    });
  }

  /** Called after each change; answers how to stop listening. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
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

  #refuseOwnPort(service: ServiceDefinition): void {
    if (!this.#options.ownPorts().includes(service.port)) return;
    const own = this.#options.ownAddresses?.() ?? [];
    if (!isThisMachine(service.host) && !own.includes(service.host)) return;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `port ${service.port} is this node's own: requests would go in a circle`,
      hint: "Name the port of the program that should be reached.",
    });
  }
}

function isThisMachine(host: string): boolean {
  if (isIP(host) === 0) return host === "localhost" || host.endsWith(".localhost");
  return /^(?:::ffff:)?127\.|^::1$|^(?:0+:){7}0*1$/i.test(host);
}
