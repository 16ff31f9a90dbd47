/**
 * The worker `certificates`: the certificate of the leading coordinator, and the bundles of peers.
 * Both are kept young by parts of their own (`renewal.ts`, `federation/peering.ts`), on every
 * coordinator and whoever leads; here they are shown, and done at once when a person asks for it.
 */
import type { PeerBook, WorkerDefinition } from "@hearthmesh/collective";
import { MeshError } from "@hearthmesh/core";
import type { PeerExchange, PeeringService } from "@hearthmesh/gateway";
import type { Renewal } from "./renewal.js";

const LOOK_EVERY_MS = 60_000;

export interface CertificatesWorkerOptions {
  readonly renewal: Pick<Renewal, "renew">;
  readonly peers: Pick<PeerBook, "list">;
  readonly peering: Pick<PeeringService, "refresh" | "exchangeWith">;
}

export function certificatesWorker(options: CertificatesWorkerOptions): WorkerDefinition {
  const { renewal, peers, peering } = options;
  const isFailing = (state: PeerExchange["state"]) =>
    state === "unreachable" || state === "refused";
  const failing = () => peers.list().filter((peer) => isFailing(peering.exchangeWith(peer).state));
  return {
    name: "certificates",
    purpose: "renews the leader's certificate and exchanges bundles with peers",
    intervalMs: LOOK_EVERY_MS,
    queue: () => failing().length,
    run: async (signal, progress) => {
      if ((await renewal.renew(progress.asked)) !== "wait") progress.done(1);
      if (!progress.asked) return;
      const failed: string[] = [];
      for (const peer of peers.list()) {
        signal.throwIfAborted();
        progress.at(peer.alias);
        await peering.refresh(peer).then(
          () => progress.done(1),
          () => failed.push(peer.alias),
        );
      }
      if (failed.length === 0) return;
      progress.error(failed.length);
      throw new MeshError("MESH_UNREACHABLE", {
        message: `no bundle came from ${failed.join(", ")}`,
        hint: "`mesh peer list` says why.",
      });
    },
  };
}
