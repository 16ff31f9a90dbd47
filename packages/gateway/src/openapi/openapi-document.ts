/** The OpenAPI 3.1 document, made from the endpoint tables of the contracts alone. */
import swagger from "@fastify/swagger";
import Fastify, { type FastifyInstance } from "fastify";
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from "fastify-type-provider-zod";
import { z } from "zod";
import { ENDPOINTS, ENROLMENT_ENDPOINTS, type Endpoint, Problem } from "../contracts/index.js";

const DESCRIPTION = [
  "One API behind two doors: plaintext on loopback, where the caller is the operator, and mutual",
  "TLS (port 8001), where the certificate says who calls. With MESH_ENABLED=true port 3000 serves",
  "health, `/mesh/`, `/api/mesh/` and `/v1/` to other machines too, for API keys (X-API-Key), with",
  "TLS on the same port. `/enrol`, `/recover` and `/hub` are on the enrolment door (port 9001).",
  "`/api/mesh/route/{service, capability or node}/{path}` passes any request on to a service: see",
  "docs/mesh/services.md. Every error is `application/problem+json` with a code of docs/errors.md,",
  "but under `/v1`, where it has OpenAI's form: see docs/ai/openai.md.",
].join(" ");

const BYTES = "application/octet-stream";

export async function makeOpenApiDocument(): Promise<object> {
  const app = Fastify({ logger: false, exposeHeadRoutes: false });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Hearthmesh",
        version: "1",
        description: DESCRIPTION,
        license: { name: "Apache-2.0" },
      },
      servers: [{ url: "http://localhost:3000" }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  const endpoints = { ...ENDPOINTS, ...ENROLMENT_ENDPOINTS };
  for (const [name, endpoint] of Object.entries(endpoints)) describeEndpoint(app, name, endpoint);
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}

function describeEndpoint(app: FastifyInstance, name: string, endpoint: Endpoint): void {
  const { method, query, body, response, summary, tag } = endpoint;
  const { path, params } = withNamedRest(endpoint);
  const takesBytes = method === "PUT";
  app.route({
    method,
    url: path,
    schema: {
      operationId: name,
      summary,
      tags: [tag],
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { querystring: query }),
      ...(body === undefined ? {} : { body }),
      ...(takesBytes ? { body: z.file(), consumes: [BYTES] } : {}),
      response: {
        [endpoint.successStatus ?? 200]:
          response ?? described("The bytes", { [BYTES]: { schema: z.file() } }),
        default: described("An error", { "application/problem+json": { schema: Problem } }),
      },
    },
    handler: async () => undefined,
  });
}

/** The rest of a path, `*`, has a name in the document: `{key}`. */
function withNamedRest({ path, params }: Endpoint): Pick<Endpoint, "path" | "params"> {
  const rest = params instanceof z.ZodObject ? params.shape["*"] : undefined;
  if (rest === undefined) return params === undefined ? { path } : { path, params };
  return { path: path.replace("*", ":key"), params: z.object({ key: rest }) };
}

function described(description: string, content: Record<string, { schema: z.ZodType }>) {
  return { description, content };
}
