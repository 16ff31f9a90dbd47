/** The coordinator as the gateway calls it: listings of paths that lead away go to the peers. */
import { type AwayFiles, leadsAway } from "@hearthmesh/collective";
import type { CoordinatorService } from "@hearthmesh/gateway";
import type { Principal } from "@hearthmesh/identity";

interface AskedPage {
  readonly path: string;
  readonly after?: string;
  readonly limit?: number;
}

/** The same service, which serves `file.list` of `/@bob/...` too. */
export function withListingsAway(
  service: CoordinatorService,
  away: (principal: Principal) => AwayFiles,
): CoordinatorService {
  const call: CoordinatorService["call"] = async (principal, method, header, body, options) => {
    const { path, after, limit } = header as AskedPage;
    if (method !== "file.list" || !leadsAway(path)) {
      return service.call(principal, method, header, body, options);
    }
    const page = await away(principal).listPage(path, {
      ...(after === undefined ? {} : { after }),
      ...(limit === undefined ? {} : { limit }),
    });
    return { header: page, body: new Uint8Array(0) };
  };
  return {
    call,
    nodes: () => service.nodes(),
    layout: () => service.layout(),
    removeNode: (node) => service.removeNode(node),
  };
}
