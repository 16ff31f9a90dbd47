/** Settings that are always up to date: what is there, and then every change. */
import { close, keyValue, NAME, signal } from "./environment.js";

const PREFIX = "example/settings/";

const settings = new Map<string, string>();
const textOf = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString("utf8");

const page = await keyValue.listPage(PREFIX);
for (const { key, value } of page.entries) settings.set(key, textOf(value));
show();

// From the revision of the list on: nothing is missed in between.
const range = { prefix: PREFIX };
for await (const { events } of keyValue.watch(range, {
  fromRevision: page.revision + 1,
  signal,
})) {
  for (const event of events) {
    if (event.type === "put") settings.set(event.entry.key, textOf(event.entry.value));
    else settings.delete(event.key);
  }
  show();
}
close();

function show(): void {
  const list = [...settings].map(([key, value]) => `${key.slice(PREFIX.length)}=${value}`);
  console.log(`[${NAME}] ${list.sort().join(" ") || "no settings"}`);
}
