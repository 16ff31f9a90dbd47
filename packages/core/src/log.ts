/**
 * The logger that every part is handed. The message describes, the fields identify; only the names
 * in `LogFields` may be used, so that a search over any log works (docs/logging.md lists them).
 * A secret is never a field.
 */
export interface LogFields {
  /** Part of the program that speaks, such as `store` or `repair`. */
  part?: string;
  nodeId?: string;
  nodeName?: string;
  /** Who asked: a SPIFFE id or a global id. */
  principal?: string;
  peerAddress?: string;
  /** Of another member that is meant. */
  trustDomain?: string;
  listenAddress?: string;
  method?: string;
  route?: string;
  status?: number;
  path?: string;
  fileId?: string;
  chunkId?: string;
  inviteId?: string;
  /** Of healing. */
  incidentId?: string;
  serial?: string;
  layoutVersion?: number;
  revision?: number;
  epoch?: number;
  worker?: string;
  count?: number;
  bytes?: number;
  durationMs?: number;
  delayMs?: number;
  attempt?: number;
  /** A code of the error registry. */
  code?: string;
  /** The text of an error, without its stack. */
  reason?: string;
  /** Of the request that the line is about, on every node: 32 hexadecimal digits. */
  traceId?: string;
}

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

/** Says nothing; for tests and for libraries used on their own. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

/** The fields that tell about an error: its code when it has one, and its text. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { reason: String(error) };
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? { code, reason: error.message } : { reason: error.message };
}
