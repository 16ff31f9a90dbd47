/** The coordinator as the gateway calls it: listings of paths that lead away go to the peers. */
import { type AwayFiles, leadsAway } from "@hearthmesh/collective";
import type { CoordinatorService } from "@hearthmesh/gateway";
import type { Principal } from "@hearthmesh/identity";

interface AskedPage {
  readonly path: string;
  readonly after?: string;
  readonly limit?: number;
}

/** The `call` of a coordinator service, which serves `file.list` of `/@bob/...` too. */
export function callWithListingsAway(
  call: CoordinatorService["call"],
  away: (principal: Principal) => AwayFiles,
): CoordinatorService["call"] {
  return async (principal, method, header, body, options) => {
    const { path, after, limit } = header as AskedPage;
    if (method !== "file.list" || !leadsAway(path)) {
      return call(principal, method, header, body, options);
    }
    const page = await away(principal).listPage(path, {
      ...(after === undefined ? {} : { after }),
      ...(limit === undefined ? {} : { limit }),
    });
    return { header: page, body: new Uint8Array(0) };
  };
}
