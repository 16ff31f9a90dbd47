/**
 * Asks the node at a URL who it is, and believes only what it proves (see `verifyNodeIdentity`).
 * The URL is somebody's word, so little is done for it: one GET without credentials, no redirects,
 * a deadline for all of it, a small answer, and nothing of the answer goes into an error.
 *
 * Over `https://` the connection must end at that very node, or at a proxy whose certificate this
 * machine trusts for the name. Over `http://` somebody on the way can pass the question on to the
 * real node: its key is proved, the URL is not.
 */
import http from "node:http";
import https from "node:https";
import { TLSSocket } from "node:tls";
import type { IntroductionProber, NodeIdentityClaim } from "@hearthmesh/collective";
import { verifyNodeIdentity } from "@hearthmesh/collective/admission";
import { type Clock, isMeshError, MeshError, type Random } from "@hearthmesh/core";
import { nodeIdOfPublicKey, parseCertificate } from "@hearthmesh/identity";
import { networkError } from "./network-errors.js";

/** For the whole question: name look-up, connection, answer. */
const PROBE_MS_MAX = 5_000;
/** An identity has about 4 KiB. */
const PROBE_ANSWER_BYTES_MAX = 64 * 1024;
const NONCE_BYTES = 24;

export interface NodeProbeOptions {
  clock: Clock;
  random: Random;
  timeoutMs?: number;
}

export class NodeProbe implements IntroductionProber {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timeoutMs: number;

  constructor(options: NodeProbeOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#timeoutMs = options.timeoutMs ?? PROBE_MS_MAX;
  }

  /**
   * `url` as `parseNodeUrl` gives it. `MESH_INTRODUCTION_FAILED` when somebody answers who does not
   * prove to be a node, `MESH_UNREACHABLE`, `MESH_TIMEOUT`, `MESH_CANCELLED`.
   */
  async probe(url: string, options: { signal?: AbortSignal } = {}): Promise<NodeIdentityClaim> {
    const nonce = Buffer.from(this.#random.bytes(NONCE_BYTES)).toString("base64url");
    const target = new URL(`${url}/api/mesh/identity?nonce=${nonce}`);
    const deadline = new AbortController();
    const timer = this.#clock.setTimeout(() => {
      const message = `${target.host}: no whole answer came within ${this.#timeoutMs / 1000} s`;
      deadline.abort(new MeshError("MESH_TIMEOUT", { message }));
    }, this.#timeoutMs);
    const signals = [deadline.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const signal = AbortSignal.any(signals);
    try {
      const { text, tlsNodeId } = await ask(target, signal);
      const claim = verifyNodeIdentity(parseJson(text), nonce, this.#clock.nowMs());
      if (tlsNodeId !== undefined && tlsNodeId !== claim.nodeId) {
        throw failed("its TLS certificate is neither its own nor one that this machine trusts");
      }
      return claim;
    } catch (error) {
      if (signal.aborted) throw isMeshError(signal.reason) ? signal.reason : cancelled(error);
      throw networkError(error, target.host);
    } finally {
      timer.cancel();
    }
  }
}

interface Answer {
  readonly text: string;
  /** Key of the TLS connection, when this machine does not trust its certificate for the name. */
  readonly tlsNodeId: string | undefined;
}

function ask(target: URL, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      method: "GET",
      agent: false,
      signal,
      headers: { accept: "application/json" },
    };
    const onAnswer = (answer: http.IncomingMessage) => {
      readAnswer(answer).then(resolve, (error: unknown) => {
        answer.destroy();
        reject(error);
      });
    };
    const request =
      target.protocol === "https:"
        ? // Whose certificate it is gets judged after the answer: nothing secret is sent, and the
          // key of the connection must be the one that signs.
          https.request(target, { ...options, minVersion: "TLSv1.2", rejectUnauthorized: false })
        : http.request(target, options);
    request.once("response", onAnswer);
    request.on("error", reject);
    request.end();
  });
}

async function readAnswer(answer: http.IncomingMessage): Promise<Answer> {
  const status = answer.statusCode ?? 0;
  if (status >= 300 && status < 400) {
    throw failed("it sends elsewhere (a redirect): name the URL that answers itself");
  }
  if (status !== 200) {
    throw failed(`it answered with status ${status}, not as a node with MESH_ENABLED=true does`);
  }
  const tlsNodeId = untrustedKey(answer);
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of answer as AsyncIterable<Uint8Array>) {
    sizeBytes += piece.length;
    if (sizeBytes > PROBE_ANSWER_BYTES_MAX) throw failed("its answer is too long for a node's");
    pieces.push(piece);
  }
  return { text: Buffer.concat(pieces).toString("utf8"), tlsNodeId };
}

function untrustedKey({ socket }: http.IncomingMessage): string | undefined {
  if (!(socket instanceof TLSSocket) || socket.authorized) return undefined;
  const { raw } = socket.getPeerCertificate();
  try {
    return nodeIdOfPublicKey(parseCertificate(raw).publicKeyDer);
  } catch {
    return "unreadable";
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw failed("its answer is not JSON");
  }
}

function failed(problem: string): MeshError {
  return new MeshError("MESH_INTRODUCTION_FAILED", {
    message: `the node did not prove who it is: ${problem}`,
  });
}

function cancelled(cause: unknown): MeshError {
  return new MeshError("MESH_CANCELLED", { cause });
}
