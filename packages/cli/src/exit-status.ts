/** Of a command that runs another program: to end with that one's status, and say no more. */
export class ExitStatus extends Error {
  override readonly name = "ExitStatus";

  constructor(readonly status: number) {
    super(`the program ended with status ${status}`);
  }
}
