/** The error class of this package. */
import {
  QWORMHOLE_ERRORS,
  type QWormholeErrorCode,
  type QWormholeErrorDefinition,
} from "./error-registry.js";

export { QWORMHOLE_ERRORS, type QWormholeErrorCode, type QWormholeErrorDefinition };

export interface QWormholeErrorOptions {
  /** More precise than the registry's sentence. Never holds a secret. */
  message?: string;
  cause?: unknown;
  /** The `code` of the error that the peer's handler threw. */
  remoteCode?: string;
  /** The `wireDetails` of the error that the peer's handler threw. */
  remoteDetails?: Uint8Array;
}

/** `code` is one of the registry; `remoteCode` and `remoteDetails` are what the peer said. */
export class QWormholeError extends Error {
  override readonly name = "QWormholeError";
  readonly code: QWormholeErrorCode;
  readonly hint: string;
  readonly remoteCode: string | undefined;
  readonly remoteDetails: Uint8Array | undefined;

  constructor(code: QWormholeErrorCode, options: QWormholeErrorOptions = {}) {
    super(
      options.message ?? QWORMHOLE_ERRORS[code].doc,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.hint = QWORMHOLE_ERRORS[code].hint;
    this.remoteCode = options.remoteCode;
    this.remoteDetails = options.remoteDetails;
  }
}

/** True for a `QWormholeError`, with this code when one is named; works across package copies. */
export function isQWormholeError(
  error: unknown,
  code?: QWormholeErrorCode,
): error is QWormholeError {
  return (
    error instanceof Error &&
    error.name === "QWormholeError" &&
    (code === undefined || (error as QWormholeError).code === code)
  );
}
