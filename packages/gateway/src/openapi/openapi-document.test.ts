import { describe, expect, it } from "vitest";
import { ENDPOINTS, ENROLMENT_ENDPOINTS, type Endpoint } from "../contracts/index.js";
import { openApiDocument } from "./lazy-document.js";

interface Document {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string; responses: object }>>;
  components: { schemas: Record<string, unknown> };
}

describe("the OpenAPI document", () => {
  it("has every endpoint with its answer and the form of errors", async () => {
    const document = (await openApiDocument()) as Document;
    expect(document.openapi).toBe("3.1.0");
    const endpoints: [string, Endpoint][] = Object.entries({
      ...ENDPOINTS,
      ...ENROLMENT_ENDPOINTS,
    });
    for (const [name, { method, path, successStatus = 200 }] of endpoints) {
      const named = path.replace(/:(\w+)/g, "{$1}").replace("*", "{key}");
      const described = document.paths[named]?.[method.toLowerCase()];
      expect(described?.operationId).toBe(name);
      expect(Object.keys(described?.responses ?? {})).toEqual([String(successStatus), "default"]);
    }
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(["Problem", "Status", "Entry", "Invite"]),
    );
  });
});
