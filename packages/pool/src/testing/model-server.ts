/**
 * A small server that speaks as Ollama, llama.cpp's server and OpenAI's API do, for tests of those
 * who ask one. It is real HTTP on 127.0.0.1; what goes wrong with it is set by the test.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface SeenRequest {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown>;
}

/** `cut`: breaks off after the first words; `silent`: takes the request and says nothing. */
export type ModelServerFault = "none" | "cut" | "cut-at-once" | "silent" | { status: number };

export class ModelServer {
  readonly #server: Server;
  readonly seen: SeenRequest[] = [];
  /** Requests that are under way. */
  running = 0;
  models: string[];
  words = ["The", " hearth", " is", " warm"];
  fault: ModelServerFault = "none";
  /** An answer waits for it before its first word. */
  mayBegin: Promise<void> = Promise.resolve();

  constructor(models: readonly string[] = ["tiny"]) {
    this.models = [...models];
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    if (path === "/health") return json(response, 200, { status: "ok" });
    if (path === "/api/tags") {
      return json(response, 200, { models: this.models.map((name) => ({ name })) });
    }
    if (path === "/v1/models") {
      return json(response, 200, { object: "list", data: this.models.map((id) => ({ id })) });
    }
    const body = JSON.parse(await text(request)) as Record<string, unknown>;
    this.seen.push({ path, authorization: request.headers.authorization, body });
    this.running++;
    response.once("close", () => {
      this.running--;
    });
    const { fault } = this;
    if (typeof fault === "object") {
      response.setHeader("retry-after", "2");
      return json(response, fault.status, { error: { message: `told to say ${fault.status}` } });
    }
    if (fault === "cut-at-once") {
      response.destroy();
      return undefined;
    }
    if (fault === "silent") return undefined;
    await this.mayBegin;
    return this.#generate(path, body, response);
  }

  async #generate(path: string, body: Record<string, unknown>, response: ServerResponse) {
    const isChat = path.endsWith("/chat/completions");
    const usage = { prompt_tokens: 5, completion_tokens: this.words.length, total_tokens: 9 };
    const head = { id: "upstream-1", created: 1, model: body.model, system_fingerprint: "fp_up" };
    if (body.stream !== true) {
      const content = this.words.join("");
      const choice = isChat ? { message: { role: "assistant", content } } : { text: content };
      const choices = [{ index: 0, finish_reason: "stop", ...choice }];
      return json(response, 200, { ...head, object: "whole", choices, usage });
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (value: object) => response.write(`data: ${JSON.stringify(value)}\n\n`);
    for (const [at, word] of this.words.entries()) {
      if (this.fault === "cut" && at === 2) {
        // The words that were sent arrive before the connection breaks.
        setImmediate(() => response.destroy());
        return undefined;
      }
      const choice = isChat ? { delta: { content: word } } : { text: word };
      send({ ...head, choices: [{ index: 0, finish_reason: null, ...choice }] });
      await new Promise(setImmediate);
    }
    const last = isChat ? { delta: {} } : { text: "" };
    send({ ...head, choices: [{ index: 0, finish_reason: "stop", ...last }] });
    const { include_usage: isWanted } = (body.stream_options ?? {}) as { include_usage?: boolean };
    if (isWanted === true) send({ ...head, choices: [], usage });
    response.end("data: [DONE]\n\n");
    return undefined;
  }
}

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

async function text(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}
