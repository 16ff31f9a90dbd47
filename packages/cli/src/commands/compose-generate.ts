import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MeshError } from "@hearthmesh/core";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { composeFile } from "../compose/compose-file.js";
import { GUIDE_PROJECT, planCompose } from "../compose/compose-plan.js";
import { prometheusFile } from "../compose/prometheus-file.js";

const COMPOSE_FILE = "docker-compose.yml";

interface GenerateOptions {
  nodes: string;
  project: string;
  clone: string;
  out?: string;
  force?: boolean;
  json?: boolean;
}

export function composeGenerateCommand(cli: Cli): MeshCommand {
  return new MeshCommand("generate")
    .description("the compose file of a mesh of several nodes in containers on one machine")
    .option("--nodes <number>", "how many, 1 to 65: node-a, node-b, ...", "3")
    .option("--project <name>", "in front of the names of containers and networks", GUIDE_PROJECT)
    .option("--clone <path>", "from the compose file to the root of this clone", "../..")
    .option("--out <folder>", "write docker-compose.yml and prometheus.yml there")
    .option("--force", "overwrite files there that differ")
    .option("--json", "as JSON: the nodes and the text of the files")
    .withExamples(
      "mesh compose generate --nodes 3",
      "mesh compose generate --nodes 5 --out deploy/mesh-5",
      "mesh compose generate --nodes 5 --json | jq .nodes",
    )
    .action(async (options: GenerateOptions) => {
      const { project, clone } = options;
      const plan = planCompose({ nodes: countOf(options.nodes), project, clone });
      const files = { [COMPOSE_FILE]: composeFile(plan), "prometheus.yml": prometheusFile(plan) };
      if (options.out !== undefined) {
        await writeFiles(resolve(cli.cwd, options.out), files, options.force === true);
      }
      if (options.json === true) return printJson(cli, { nodes: plan.members, files });
      if (options.out === undefined) {
        print(cli, files[COMPOSE_FILE]?.trimEnd() ?? "");
        note(cli, "Prometheus needs a prometheus.yml beside it: --out writes both.");
        return;
      }
      for (const name of Object.keys(files)) print(cli, `wrote ${join(options.out, name)}`);
      note(cli, `Next: cd ${options.out} && docker-compose up -d`);
    });
}

/** Digits alone: `Number` would take `1e1` and an empty text too. */
function countOf(text: string): number {
  return /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
}

/** All or nothing: what would be overwritten is looked for first. */
async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string>>,
  force: boolean,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    const present = await readFile(join(folder, name), "utf8").catch(() => undefined);
    if (present === undefined || present === text || force) continue;
    throw new MeshError("MESH_PATH_EXISTS", {
      message: `${join(folder, name)} is there and says something else`,
      hint: "Choose another --out, or overwrite it with --force.",
    });
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}
