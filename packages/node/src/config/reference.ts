/** `docs/configuration.md` and `mesh.example.yaml`, made from the table of keys. */
import { ADDRESS_VARIABLES, CONFIG_KEYS, type ConfigKey, type ConfigKeyName } from "./keys.js";

const entries = Object.entries(CONFIG_KEYS) as [ConfigKeyName, ConfigKey][];

export function configurationPage(): string {
  const rows = entries.map(([name, key]) => {
    const variables = key.variables.map((variable) => `\`${variable}\``).join(", ");
    const standard = key.default === "" ? "" : `\`${key.default}\``;
    const flag = key.flag === "" ? "" : `\`--${key.flag}\``;
    return `| \`${name}\` | ${flag} | ${variables} | ${standard} | ${key.about} |`;
  });
  const addresses = Object.entries(ADDRESS_VARIABLES).map(
    ([variable, [host, port]]) => `| \`${variable}\` | \`${host}\`, \`${port}\` |`,
  );
  return [
    "# Configuration",
    "",
    "<!-- Made by `npm run docs` from packages/node/src/config/keys.ts. -->",
    "",
    "A value comes from the first of these that has it: a flag of `mesh up`, the environment,",
    "`.env` in the working directory, `mesh.yaml` in `MESH_HOME` (or the file of `--config` or",
    "`MESH_CONFIG`), the default. `mesh config show --effective --origin` shows what holds and",
    "why. All problems are reported at once. `MESH_HOME` (or `--home`, or `COLLECTIVE_DATA_DIR`)",
    "is the directory of everything that the node keeps, by default `~/.meshnet`.",
    "",
    "| key | flag | variables | default | meaning |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    "`--listen HOST` sets the host of `api`, `links` and `enrolment` together. Variables of the",
    "homelab guide that hold `host:port`:",
    "",
    "| variable | keys |",
    "|---|---|",
    ...addresses,
    "",
  ].join("\n");
}

export function exampleFile(): string {
  const lines = [
    "# Every key with its default, commented out. Copy it to mesh.yaml in MESH_HOME and change",
    "# what you need. Flags and the environment go before this file: docs/configuration.md.",
  ];
  let section = "";
  for (const [name, key] of entries) {
    const dot = name.indexOf(".");
    const head = dot < 0 ? "" : name.slice(0, dot);
    lines.push("");
    if (head !== section && head !== "") lines.push(`#${head}:`);
    section = head;
    const indent = head === "" ? "" : "  ";
    lines.push(`#${indent}# ${key.about}`);
    lines.push(`#${indent}${name.slice(dot + 1)}: ${key.default}`.trimEnd());
  }
  return `${lines.join("\n")}\n`;
}
