/**
 * Tries again what the disk did not give. A read error says nothing about the bytes: a cable, a
 * controller or an overloaded host may be the cause, and the next read may succeed.
 *
 * - A pack that could not be read when the store opened is set aside. Its chunks count as missing,
 *   and repair brings them back from other nodes. When a later try succeeds, its records are
 *   sorted in under what newer packs say, so that the result is what an opening without the error
 *   would have given.
 * - A chunk that could not be read is suspect, and tried again a few at a time.
 */
import { type Clock, errorFields, isMeshError, type Logger, sleep } from "@hearthmesh/core";
import type { PackFiles } from "./pack-files.js";
import { type LoadedPack, logUnreadable, settle } from "./pack-open.js";
import { loadPack } from "./pack-recovery.js";
import type { PackTable } from "./pack-table.js";

/** Tries while the store opens, before it goes on without the pack. */
const OPEN_TRIES_MAX = 3;
const OPEN_TRY_PAUSE_MS = 200;
/** A failing disk may take seconds for each. */
const SUSPECTS_PER_LOOK_MAX = 8;

export interface SecondLookParts {
  readonly files: PackFiles;
  readonly table: PackTable;
  readonly log: Logger;
}

export class SecondLook {
  readonly #parts: SecondLookParts;

  constructor(parts: SecondLookParts) {
    this.#parts = parts;
  }

  /** Gives the disk a moment, a few times. Throws `MESH_STORE_NEWER`. */
  async whileOpening(clock: Clock): Promise<void> {
    const { files, table, log } = this.#parts;
    for (let tried = 0; tried < OPEN_TRIES_MAX && table.setAside.size > 0; tried++) {
      await sleep(clock, OPEN_TRY_PAUSE_MS);
      await this.atPacks();
    }
    for (const number of table.setAside) {
      log.error("a pack file cannot be read; its chunks count as missing", {
        path: files.packPath(number),
        reason: "it is tried again; remove it when it is lost, for older ones give no space back",
      });
    }
  }

  /**
   * Tries every pack that is set aside, the oldest first. No pack may be removed meanwhile, and no
   * other call may run. Throws `MESH_STORE_NEWER`.
   */
  async atPacks(): Promise<void> {
    const { files, table, log } = this.#parts;
    for (const number of [...table.setAside].sort((a, b) => a - b)) {
      try {
        table.watchedGraves = new Set();
        await this.#load(number);
      } catch (error) {
        const path = files.packPath(number);
        log.debug("a pack file still cannot be read", { path, ...errorFields(error) });
        if (!isMeshError(error, "MESH_DISK_FAILED")) throw error;
        // The next try opens the file anew.
        await files.close(number);
      } finally {
        table.watchedGraves = undefined;
      }
    }
  }

  /** Tries some of the suspect chunks. `get` takes the mark off, or the chunk out. */
  async atChunks(get: (id: Buffer) => Promise<unknown>): Promise<void> {
    for (const id of this.#parts.table.nextSuspects(SUSPECTS_PER_LOOK_MAX)) {
      await get(id).catch(() => undefined);
    }
  }

  async #load(number: number): Promise<void> {
    const { files, table, log } = this.#parts;
    const content = await loadPack(files, number);
    if (content.state !== "loaded") {
      if (content.state === "empty") await files.remove(number);
      else logUnreadable(files, number, log);
      table.setAside.delete(number);
      return;
    }
    const buried = await this.#gravesBehind(number, content);
    const sizeBytes = await settle(files, number, content, false, log);
    // From here on in one step: no record is applied in between.
    for (const name of table.watchedGraves ?? []) buried.add(name);
    const pack = table.addPack(number, content.salt, sizeBytes);
    for (const entry of content.records) table.applyLate(pack, entry, buried);
    table.setAside.delete(number);
    log.info("a pack file that could not be read is back", {
      path: files.packPath(number),
      bytes: pack.liveBytes,
    });
  }

  /** Which chunks of the pack have a tombstone in a newer one; ids in latin1. */
  async #gravesBehind(number: number, content: LoadedPack): Promise<Set<string>> {
    const { files, table } = this.#parts;
    const held = new Set<string>();
    for (const entry of content.records) {
      if (entry.kind === "chunk") held.add(entry.id.toString("latin1"));
    }
    const buried = new Set<string>();
    const newer = [...table.packs.keys()].filter((one) => one > number);
    for (const one of newer) {
      const loaded = await loadPack(files, one);
      for (const entry of loaded.state === "loaded" ? loaded.records : []) {
        const name = entry.id.toString("latin1");
        if (entry.kind === "tombstone" && held.has(name)) buried.add(name);
      }
    }
    return buried;
  }
}
