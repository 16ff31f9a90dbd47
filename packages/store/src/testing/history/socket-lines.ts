/** Lines of JSON over a local socket; bytes travel as base64. For tests on one machine alone. */
import type { Socket } from "node:net";
import { HISTORY_LINE_BYTES_MAX } from "./limits.js";

export function encodeLine(message: object): string {
  const bytesAsText = function (this: Record<string, unknown>, name: string, value: unknown) {
    // A Buffer has turned itself into a list by now; its holder still has it.
    const raw = this[name];
    return raw instanceof Uint8Array ? { base64: Buffer.from(raw).toString("base64") } : value;
  };
  return `${JSON.stringify(message, bytesAsText)}\n`;
}

function decodeLine(line: string): Record<string, unknown> {
  return JSON.parse(line, (_, value) => {
    const isBytes = typeof value === "object" && typeof value?.base64 === "string";
    return isBytes ? new Uint8Array(Buffer.from(value.base64, "base64")) : value;
  });
}

/** Calls once for each line. The socket is destroyed when a line is bad or too long. */
export function onLines(socket: Socket, take: (message: Record<string, unknown>) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    try {
      for (const line of lines) take(decodeLine(line));
    } catch (error) {
      socket.destroy(error as Error);
    }
    if (rest.length > HISTORY_LINE_BYTES_MAX) socket.destroy(new Error("a line is too long"));
  });
}
