/**
 * What a coordinator that does not lead answers by itself: looking at entries and directories. It
 * reads the store and keeps nothing, because another one writes.
 */
import type { Clock, Random } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import { Access, type AccessPolicy } from "../coordinator/access.js";
import { namespaceContext } from "../coordinator/coordinator-parts.js";
import { Directories } from "../coordinator/directories.js";
import { Fields } from "../coordinator/fields.js";
import { lookMethods } from "../coordinator/file-methods.js";
import { Namespace } from "../coordinator/namespace.js";

export interface FileReaderOptions {
  readonly store: Store;
  readonly access: AccessPolicy;
  readonly clock: Clock;
  readonly random: Random;
}

type LookMethod = keyof ReturnType<typeof lookMethods>;

export class FileReader {
  readonly #access: AccessPolicy;
  readonly #methods: ReturnType<typeof lookMethods>;

  constructor(options: FileReaderOptions) {
    this.#access = options.access;
    const directories = new Directories(options.store, { entriesMax: 0 });
    this.#methods = lookMethods(new Namespace(namespaceContext(options, directories)));
  }

  serves(method: string): method is LookMethod {
    return Object.hasOwn(this.#methods, method);
  }

  /** Errors as the coordinator's own. */
  async call(principal: Principal, method: LookMethod, header: object): Promise<object> {
    const access = new Access(this.#access, principal);
    const answer = await this.#methods[method]({ access, fields: new Fields(method, header) });
    return answer.header;
  }
}
