/** What the models were asked for at this node, for metrics and statistics. */
import type { EndpointOperation } from "@hearthmesh/pool";
import type { MetricValue } from "../plain/metrics-table.js";
import type { AnswerMeter } from "./answer-piece.js";

export type AnswerOutcome = "ok" | "failed" | "cancelled" | "refused";

const OPERATIONS: readonly EndpointOperation[] = ["chat", "completion"];
const OUTCOMES: readonly AnswerOutcome[] = ["ok", "failed", "cancelled", "refused"];

export class AiUsage {
  readonly #requests = new Map<string, number>();
  #promptTokens = 0;
  #completionTokens = 0;
  #firstTokens = 0;
  #firstTokenMs = 0;

  note(operation: EndpointOperation, outcome: AnswerOutcome, meter: AnswerMeter): void {
    const key = `${operation}/${outcome}`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    this.#promptTokens += meter.promptTokens;
    this.#completionTokens += meter.completionTokens;
    if (meter.firstTokenMs === undefined) return;
    this.#firstTokens++;
    this.#firstTokenMs += meter.firstTokenMs;
  }

  /** For `/metrics` of this node. */
  values(node: string, requestsUnderWay: number): MetricValue[] {
    const requests = OPERATIONS.flatMap((operation) =>
      OUTCOMES.map(
        (outcome): MetricValue => ({
          name: "mesh_ai_requests_total",
          labels: { node, operation, outcome },
          value: this.#requests.get(`${operation}/${outcome}`) ?? 0,
        }),
      ),
    );
    const labels = { node };
    return [
      ...requests,
      { name: "mesh_ai_requests_in_flight", labels, value: requestsUnderWay },
      { name: "mesh_ai_tokens_total", labels: { node, kind: "prompt" }, value: this.#promptTokens },
      {
        name: "mesh_ai_tokens_total",
        labels: { node, kind: "completion" },
        value: this.#completionTokens,
      },
      { name: "mesh_ai_first_tokens_total", labels, value: this.#firstTokens },
      { name: "mesh_ai_first_token_seconds_total", labels, value: this.#firstTokenMs / 1000 },
    ];
  }
}
