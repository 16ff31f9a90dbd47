/** Requests are checked by their contracts, and what is wrong is said in words for people. */
import type { FastifySchemaCompiler } from "fastify";
import type { z } from "zod";
import { issueWords, refusedFields } from "../plain/issue-words.js";

const PARTS: Readonly<Record<string, string>> = { querystring: "query", params: "path" };

export const requestValidator: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = "" }) => {
  const part = PARTS[httpPart] ?? httpPart;
  return (data) => {
    const checked = schema.safeParse(data, { error: issueWords });
    if (checked.success) return { value: checked.data };
    return { error: refusedFields(part, checked.error.issues) };
  };
};
