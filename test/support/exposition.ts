/** What Prometheus reads: its text format, and the page that documents it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/lib.mjs";

export interface Family {
  readonly name: string;
  readonly type: string;
  /** Sorted names of labels, without `le`; one entry for each sample. */
  readonly labels: readonly string[][];
}

/** The families of a text in version 0.0.4. Throws at a line that is not of the format. */
export function familiesOf(text: string): Map<string, Family> {
  const families = new Map<string, { name: string; type: string; labels: string[][] }>();
  for (const line of text.split("\n")) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type !== null) {
      const [, name = "", kind = ""] = type;
      families.set(name, { name, type: kind, labels: [] });
    }
    if (line === "" || line.startsWith("#")) continue;
    const sample = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line);
    if (sample === null) throw new Error(`no sample: ${line}`);
    const [, name = "", pairs = ""] = sample;
    const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ""));
    if (family === undefined) throw new Error(`no type was given before: ${line}`);
    const labels = [...pairs.matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g)].map(
      ([, label]) => `${label}`,
    );
    family.labels.push(labels.filter((label) => label !== "le").sort());
  }
  return families;
}

export interface DocumentedMetric {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly sample: string;
}

/** `docs/metrics.md`, read as a person would. */
export function documentedMetrics(): Map<string, DocumentedMetric> {
  const page = readFileSync(join(root, "docs/metrics.md"), "utf8");
  const sections = page.matchAll(
    /^## `(\w+)`\n\n.* An? (gauge|counter|histogram)(?:; labels: (.*))?\.\n\n```\n(.*)\n```$/gm,
  );
  return new Map(
    [...sections].map(([, name = "", type = "", labels = "", sample = ""]) => {
      const names = [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => `${label}`).sort();
      return [name, { name, type, labels: names, sample }];
    }),
  );
}

/** How what is exported differs from the page; empty when it does not. */
export function differences(exported: Iterable<Family>): string[] {
  const documented = documentedMetrics();
  return [...exported].flatMap(({ name, type, labels }) => {
    const known = documented.get(name);
    if (known === undefined) return [`${name} is not on the page`];
    if (known.type !== type) return [`${name} is a ${type}; the page says ${known.type}`];
    const wanted = known.labels.join();
    const other = labels.find((one) => one.join() !== wanted);
    return other === undefined ? [] : [`${name} has ${other.join()}; the page says ${wanted}`];
  });
}
