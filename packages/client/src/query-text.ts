/** The query of a path, with its `?`; empty without fields. What is undefined is left out. */
export function queryOf(
  fields: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const parts = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${encodeURIComponent(value)}`,
  );
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}
