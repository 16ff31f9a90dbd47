/**
 * A service that fails is announced as failing at once, so that requests go elsewhere first; this
 * asks it again now instead of with its next check, and says where requests go meanwhile. It is
 * announced as working again by the check that it passes.
 */
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { list } from "./text.js";

type Parts = Pick<MeshPart["parts"], "health" | "registry" | "routes" | "services">;

export class WithdrawService implements Remedy {
  readonly name = "withdraw-service";
  readonly handles = ["service-failing"] as const;
  readonly cost = 0.05;
  readonly risk = 0.05;
  readonly verifyWithinMs = 10_000;
  readonly rate = { count: 3, windowMs: 600_000 };
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  describe({ subject }: Symptom): string {
    return `announce ${subject.name} as failing, and ask it again now`;
  }

  blockedBy({ subject }: Symptom): string | undefined {
    const isHere = this.#parts.registry.get(subject.id) !== undefined;
    return isHere ? undefined : "it is no service of this node any longer";
  }

  async apply({ subject }: Symptom): Promise<RemedyOutcome> {
    const { health, routes, services } = this.#parts;
    if (health.healthOf(subject.id).health === "ok") {
      return { did: `${subject.name} had passed a check by then`, changedNothing: true };
    }
    routes.setServices(services.localServices());
    const { health: state } = await health.checkNow(subject.id);
    if (state === "ok") {
      return { did: `asked ${subject.name} again: it works, and is announced so` };
    }
    const others = services
      .all()
      .filter((one) => one.service === subject.id && !one.local && one.health !== "failing")
      .map(({ nodeName }) => nodeName);
    const where =
      others.length === 0 ? "nobody else offers it" : `requests go to ${list(others)} first`;
    const did = `${subject.name} is announced as failing: ${where}; asked again, it still fails`;
    return { did, changedNothing: true };
  }
}
