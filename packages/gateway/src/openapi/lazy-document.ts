/** The OpenAPI document; what makes it is loaded only when somebody asks. */
export async function openApiDocument(): Promise<object> {
  const { makeOpenApiDocument } = await import("./openapi-document.js");
  return makeOpenApiDocument();
}
