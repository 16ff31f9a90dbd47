/** For a command that runs another program: it ends with that program's status, and says no more. */
export class ExitStatus extends Error {
  override readonly name = "ExitStatus";

  constructor(readonly status: number) {
    super(`the program ended with status ${status}`);
  }
}
