/**
 * Links over an overlay: this node listens at its address there, and when the overlay comes back,
 * or somebody joins it, those who are not linked are dialled again at once.
 */
import { type Clock, errorFields, type Logger, type Startable, type Timer } from "@hearthmesh/core";
import type { LinkDoors } from "../link-doors.js";
import { OVERLAY_LOOK_MS, OVERLAY_TELL_GAPS_MS } from "./limits.js";
import type { Overlay } from "./overlay.js";

export interface OverlayLinksOptions {
  readonly overlay: Overlay;
  readonly doors: Pick<LinkDoors, "openAt">;
  /** The ways to others are other ones; called as `OVERLAY_TELL_GAPS_MS` says. */
  onChanged(): void;
  readonly clock: Clock;
  readonly log: Logger;
}

export class OverlayLinks implements Startable {
  readonly name = "overlay links";
  readonly #options: OverlayLinksOptions;
  #stopWatching: () => void = () => undefined;
  #timer: Timer | undefined;
  #telling: Timer | undefined;
  /** How often it was told since the last change. */
  #told = 0;
  #isRunning = false;

  constructor(options: OverlayLinksOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#isRunning = true;
    this.#stopWatching = this.#options.overlay.watch(() => this.#changed());
    this.#changed();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#stopWatching();
    this.#timer?.cancel();
    this.#telling?.cancel();
    this.#telling = undefined;
  }

  #changed(): void {
    const { overlay } = this.#options;
    if (overlay.status().phase !== "up") return;
    void this.#open();
    if (overlay.peers().some(({ up }) => up)) this.#tell();
  }

  /**
   * At once, and again in growing gaps: the overlay finds its own ways only some seconds after its
   * peers are connected. Never sooner: strangers among its peers come and go as they like.
   */
  #tell(): void {
    const { clock, onChanged } = this.#options;
    this.#told = 0;
    if (this.#telling !== undefined) return;
    const tell = () => {
      const gapMs = OVERLAY_TELL_GAPS_MS[this.#told++];
      this.#telling = gapMs === undefined ? undefined : clock.setTimeout(tell, gapMs);
      onChanged();
    };
    tell();
  }

  /** The system has the address a moment after the overlay is up: tried until it has. */
  async #open(): Promise<void> {
    const { overlay, doors, clock, log } = this.#options;
    this.#timer?.cancel();
    for (const host of overlay.addresses()) {
      try {
        await doors.openAt(host);
      } catch (error) {
        log.debug("links are not open at the overlay's address yet", errorFields(error));
        if (this.#isRunning && overlay.status().phase === "up") {
          this.#timer = clock.setTimeout(() => void this.#open(), OVERLAY_LOOK_MS);
        }
      }
    }
  }
}
