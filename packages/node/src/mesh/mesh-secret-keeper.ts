/**
 * The secret of the mesh on this node: made by the coordinator, asked for over links by the others,
 * kept in a private file.
 */
import { readIfThere, readPrivate, writePrivate } from "@hearthmesh/client/private-files";
import { errorFields, type Logger, type Random } from "@hearthmesh/core";
import {
  fetchMeshSecret,
  formatMeshSecret,
  isSameSecret,
  type MeshSecret,
  meshSecretHandlers,
  newMeshSecret,
  parseMeshSecret,
  rotateMeshSecret,
} from "@hearthmesh/membership";
import type { Link, LinkHandlers, Peer } from "@hearthmesh/qwormhole";
import { principalOf } from "../method-router.js";
import { isGuest } from "./guests.js";

const FETCH_TIMEOUT_MS = 5_000;

export interface MeshSecretKeeperOptions {
  readonly path: string;
  readonly isCoordinator: boolean;
  /** Of several coordinators one makes new secrets: the one that leads. Default: this one may. */
  readonly mayRotate?: () => boolean;
  readonly random: Random;
  readonly log: Logger;
}

export class MeshSecretKeeper {
  /** Serves `mesh.secret`. */
  readonly handlers: LinkHandlers;
  readonly #options: MeshSecretKeeperOptions;
  #secret: MeshSecret | undefined;
  /** One at a time: two links may tell at once, and there is one file. */
  #tail: Promise<void> = Promise.resolve();

  private constructor(options: MeshSecretKeeperOptions, secret: MeshSecret | undefined) {
    this.#options = options;
    this.#secret = secret;
    const { isCoordinator } = options;
    this.handlers = meshSecretHandlers({ secret: () => this.#secret, isCoordinator });
  }

  /** A file that cannot be read is an error on the coordinator, and asked for anew elsewhere. */
  static async open(options: MeshSecretKeeperOptions): Promise<MeshSecretKeeper> {
    const { path, isCoordinator, random } = options;
    if ((await readIfThere(path)) !== undefined) {
      return new MeshSecretKeeper(options, parseMeshSecret(await readPrivate(path)));
    }
    const keeper = new MeshSecretKeeper(options, undefined);
    if (isCoordinator) await keeper.#keep(newMeshSecret(random));
    return keeper;
  }

  get secret(): MeshSecret | undefined {
    return this.#secret;
  }

  /** Coordinator: after a node was removed, so that it no longer sees the others on the LAN. */
  async rotate(): Promise<void> {
    const { isCoordinator, mayRotate, random, log } = this.#options;
    if (!isCoordinator || this.#secret === undefined || mayRotate?.() === false) return;
    await this.#keep(rotateMeshSecret(this.#secret, random));
    log.info("the secret of the mesh was rotated");
  }

  /** Asks the peer for a newer one. A failure is logged: the next link is another chance. */
  learnFrom(link: Link): Promise<void> {
    const isFellow = kindOf(link.peer) === "coordinator";
    if (isFellow || !this.#options.isCoordinator) {
      this.#tail = this.#tail.then(() => this.#learn(link));
    }
    return this.#tail;
  }

  async #learn(link: Link): Promise<void> {
    const { log } = this.#options;
    try {
      const newest = await fetchMeshSecret(link, {
        have: this.#secret,
        isCoordinator: (peer) => kindOf(peer) === "coordinator",
        isMemberNode: (peer) => kindOf(peer) === "node",
        timeoutMs: FETCH_TIMEOUT_MS,
      });
      if (newest === undefined || this.#isKnown(newest)) return;
      await this.#keep(newest);
      log.info("the secret of the mesh is known", { nodeId: link.peer.nodeId });
    } catch (error) {
      log.debug("the secret of the mesh was not learnt", errorFields(error));
    }
  }

  #isKnown(newest: MeshSecret): boolean {
    const present = this.#secret;
    return (
      present !== undefined &&
      isSameSecret(present, newest) &&
      present.isVouched === newest.isVouched
    );
  }

  async #keep(secret: MeshSecret): Promise<void> {
    await writePrivate(this.#options.path, formatMeshSecret(secret));
    this.#secret = secret;
  }
}

function kindOf(peer: Peer): string {
  const principal = principalOf(peer);
  return isGuest(principal) ? "guest" : principal.kind;
}
