/** What the error registry says about one code. */
export interface ErrorDefinition {
  /** HTTP status of the answer that carries it. */
  readonly status: number;
  /** Exit status of a command that ends with it. */
  readonly exit: number;
  /** The sentence when nothing more precise is known. */
  readonly message: string;
  /** What a person should do. */
  readonly hint: string;
}

export const define = (
  status: number,
  exit: number,
  message: string,
  hint: string,
): ErrorDefinition => ({
  status,
  exit,
  message,
  hint,
});
