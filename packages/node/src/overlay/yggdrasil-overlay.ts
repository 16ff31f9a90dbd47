/**
 * Yggdrasil as the overlay of a node: its daemon runs as a child of this process, with a key and a
 * configuration of ours, and is watched through its admin socket. Its end is the end of an address
 * for others, never of the node.
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { type Clock, errorFields, type Logger, type Random, type Timer } from "@hearthmesh/core";
import type { OverlayConfig } from "../config/config.js";
import { endOrphans } from "../processes/orphans.js";
import { SupervisedChild } from "../processes/supervised-child.js";
import type { SupervisedProcess } from "../processes/supervised-process.js";
import {
  complaintOf,
  dialFailureOf,
  endHint,
  findYggdrasil,
  requireTun,
} from "./find-yggdrasil.js";
import { OVERLAY_LOOK_MS, OVERLAY_LOOK_SOON_MS } from "./limits.js";
import type { Overlay, OverlayPeer, OverlayStatus } from "./overlay.js";
import { YggdrasilAdmin } from "./yggdrasil-admin.js";
import { writeYggdrasilConfig, yggdrasilConfig } from "./yggdrasil-config.js";
import { ensureYggdrasilKey, isYggdrasilAddress, type YggdrasilKey } from "./yggdrasil-key.js";
import {
  YGGDRASIL_STOPPED,
  type YggdrasilEvent,
  type YggdrasilView,
  yggdrasilStep,
} from "./yggdrasil-machine.js";
import { yggdrasilProcess } from "./yggdrasil-process.js";

export interface YggdrasilFiles {
  readonly key: string;
  readonly config: string;
  readonly adminSocket: string;
  readonly log: string;
}

export interface YggdrasilOverlayOptions {
  readonly config: OverlayConfig;
  readonly files: YggdrasilFiles;
  /** The variable PATH. */
  readonly searchPath: string | undefined;
  /** Where the system makes interfaces; another one for tests. */
  readonly tunDevice?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class YggdrasilOverlay implements Overlay {
  readonly name = "overlay";
  readonly process: SupervisedProcess;
  readonly #options: YggdrasilOverlayOptions;
  readonly #admin: YggdrasilAdmin;
  readonly #listeners = new Set<() => void>();
  #key: YggdrasilKey | undefined;
  #child: SupervisedChild | undefined;
  #view: YggdrasilView = YGGDRASIL_STOPPED;
  #dialFailure: string | undefined;
  /** Why it runs without an interface, though nobody asked for that. */
  #noInterface: string | undefined;
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: YggdrasilOverlayOptions) {
    this.#options = options;
    this.#admin = new YggdrasilAdmin(options.files.adminSocket, options.clock);
    this.process = yggdrasilProcess({
      view: () => this.#view,
      child: () => this.#child,
      watch: (listener) => this.watch(listener),
      clock: options.clock,
    });
  }

  /** `MESH_OVERLAY_MISSING`, `MESH_OVERLAY_FAILED`, `MESH_CONFIG_INVALID`, `MESH_HOME_UNSAFE`. */
  async start(): Promise<void> {
    const { files, searchPath, clock, random, log } = this.#options;
    const path = await findYggdrasil(searchPath);
    this.#noInterface = await this.#lookForTun();
    const key = await ensureYggdrasilKey(files.key, random);
    this.#key = key;
    await this.#writeConfig(key);
    await mkdir(dirname(files.adminSocket), { recursive: true, mode: 0o700 });
    const ours = { program: "yggdrasil", word: files.config, holds: files.config };
    await endOrphans({ ...ours, code: "MESH_OVERLAY_FAILED", clock, log });
    const child = new SupervisedChild({
      name: "yggdrasil",
      path,
      args: () => ["-useconffile", files.config],
      logPath: files.log,
      complaintOf: (line) => this.#hear(line),
      searchPath,
      onChange: () => this.#processChanged(child),
      ...{ clock, random, log },
    });
    this.#child = child;
    child.start();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#child?.stop();
    this.#step({ kind: "stopped" });
    await this.#looking;
  }

  status(): OverlayStatus {
    const { config, clock } = this.#options;
    const { phase, self, reason = this.#whyAlone() ?? this.#noInterface } = this.#view;
    const [address] = this.addresses();
    const startedMs = this.#child?.startedMs;
    return {
      type: config.type,
      phase,
      ...(reason === undefined ? {} : { reason }),
      address,
      subnet: address === undefined ? undefined : this.#key?.subnet,
      key: this.#key?.publicKey,
      version: self?.version,
      uptimeSeconds: startedMs === undefined ? undefined : (clock.monotonicMs() - startedMs) / 1000,
      restarts: this.#child?.ends ?? 0,
    };
  }

  addresses(): readonly string[] {
    const isReachable = this.#interfaceName !== "none";
    return this.#key === undefined || !isReachable ? [] : [this.#key.address];
  }

  contains(host: string): boolean {
    return isYggdrasilAddress(host);
  }

  peers(): readonly OverlayPeer[] {
    return this.#view.peers;
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get #adminEndpoint(): string {
    return `unix://${this.#options.files.adminSocket}`;
  }

  get #interfaceName(): string {
    return this.#noInterface === undefined ? this.#options.config.interfaceName : "none";
  }

  /** What is named is wanted; `auto` goes without where there is none to be had. */
  async #lookForTun(): Promise<string | undefined> {
    const { config, log } = this.#options;
    try {
      await requireTun(config.interfaceName, this.#options.tunDevice);
      return undefined;
    } catch (error) {
      if (config.interfaceName !== "auto") throw error;
      log.warn("the overlay runs without an interface", errorFields(error));
      return `without an interface: ${(error as Error).message}`;
    }
  }

  async #writeConfig(key: YggdrasilKey): Promise<void> {
    const { config, files } = this.#options;
    const chosen = { interfaceName: this.#interfaceName, adminEndpoint: this.#adminEndpoint };
    await writeYggdrasilConfig(files.config, yggdrasilConfig({ ...config, ...key, ...chosen }));
  }

  /** It ended because it may not make the interface that nobody insists on. */
  async #goWithoutInterface(child: SupervisedChild, why: string): Promise<void> {
    const { log } = this.#options;
    this.#noInterface = `without an interface: ${why}`;
    log.warn("the overlay goes on without an interface", { reason: why });
    try {
      if (this.#key !== undefined) await this.#writeConfig(this.#key);
      await child.restart();
    } catch (error) {
      log.error("the overlay has no other configuration", errorFields(error));
    }
  }

  #hear(line: string): string | undefined {
    this.#dialFailure = dialFailureOf(line) ?? this.#dialFailure;
    return complaintOf(line);
  }

  /** It runs, and nobody is connected. */
  #whyAlone(): string | undefined {
    if (this.#view.phase !== "up" || this.#view.peers.some(({ up }) => up)) return undefined;
    const complaint = this.#child?.complaints.at(-1) ?? this.#dialFailure;
    return complaint ?? this.#view.peers.find(({ reason }) => reason !== undefined)?.reason;
  }

  #processChanged(child: SupervisedChild): void {
    if (child.running) {
      this.#dialFailure = undefined;
      this.#step({ kind: "started" });
      this.#lookAfter(OVERLAY_LOOK_SOON_MS);
    } else if (child.wanted) {
      const how = child.lastEnd ?? "it ended";
      const hint = endHint(how);
      const reason = `it ended (${how})${hint}`;
      this.#step({ kind: "ended", reason });
      const isOptional = this.#interfaceName === "auto";
      if (hint !== "" && isOptional) void this.#goWithoutInterface(child, reason);
    }
  }

  #lookAfter(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#looking = this.#look();
    }, ms);
  }

  async #look(): Promise<void> {
    const child = this.#child;
    const { pid } = child ?? {};
    if (child === undefined || pid === undefined) return;
    const seen = await this.#ask();
    // What an earlier process said is nothing about this one.
    if (child.pid !== pid) return;
    this.#step(seen);
    const isUp = this.#view.phase === "up" && this.#view.unanswered === 0;
    this.#lookAfter(isUp ? OVERLAY_LOOK_MS : OVERLAY_LOOK_SOON_MS);
  }

  async #ask(): Promise<YggdrasilEvent> {
    try {
      const self = await this.#admin.self();
      return { kind: "answered", self, peers: await this.#admin.peers() };
    } catch (error) {
      const reason = `its admin socket ${this.#adminEndpoint}: ${(error as Error).message}`;
      return { kind: "unanswered", reason };
    }
  }

  #step(event: YggdrasilEvent): void {
    const nowMs = this.#options.clock.monotonicMs();
    const ownKey = this.#key?.publicKey ?? "";
    const before = this.#view;
    this.#view = yggdrasilStep(before, event, { nowMs, ownKey });
    if (before.phase !== this.#view.phase) this.#tell();
    else if (connected(before) === connected(this.#view)) return;
    for (const listener of this.#listeners) this.#call(listener);
  }

  #tell(): void {
    const { phase, reason } = this.#view;
    const { log } = this.#options;
    const fields = reason === undefined ? {} : { reason };
    if (phase === "up") {
      log.info("the overlay is up", { listenAddress: this.addresses().join(" ") || "none" });
    } else if (phase === "silent") log.error("the overlay does not answer", fields);
    else log.debug(`the overlay is ${phase}`, fields);
  }

  #call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.log.error("a listener of the overlay failed", errorFields(error));
    }
  }
}

function connected({ peers }: YggdrasilView): string {
  return peers
    .filter(({ up }) => up)
    .map(({ key }) => key)
    .sort()
    .join();
}
