/** Entry of a worker's process. It lives as long as the channel to the agent that made it. */
import { systemClock, toErrorRecord } from "@hearthmesh/core";
import { WorkerChild } from "./worker-child.js";
import { checkAgentMessage, type WorkerMessage } from "./worker-messages.js";

const send = (message: WorkerMessage): void => {
  // A message that the agent can no longer hear is none: the channel's end ends this process.
  if (process.connected) process.send?.(message, undefined, {}, () => undefined);
};
const child = new WorkerChild({
  clock: systemClock(),
  send,
  onClosed: () => process.disconnect(),
});

process.on("message", (message: unknown) => {
  void (async () => child.onMessage(checkAgentMessage(message)))().catch((error: unknown) => {
    const { message: reason } = toErrorRecord(error);
    send({
      kind: "log",
      level: "error",
      message: "worker: a message was refused",
      fields: { reason },
    });
  });
});
process.on("disconnect", () => process.exit(0));
// Signals of the terminal are for the agent, which tells this process what to do.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
