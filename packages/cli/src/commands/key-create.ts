import type { ApiKeyCreateRequest, ApiKeyScope } from "@hearthmesh/gateway/contracts";
import { type Cli, note, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { formatTime } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";

interface Options extends DoorOptions {
  scope?: string[];
  expires: string;
  name?: string;
  allowIp?: string[];
  ai?: boolean;
  aiAtOnce?: string;
  aiPerMinute?: string;
  aiTokensPerDay?: string;
  quiet?: boolean;
  json?: boolean;
}

const SCOPES: readonly ApiKeyScope[] = ["admin", "register", "read", "services", "ai"];

export function keyCreateCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("create")
    .description("make an API key, for programs and for nodes of other meshes")
    .option(
      "--scope <scope>",
      "what it may do: admin, register, read, services, ai; repeatable",
      collect,
    )
    .option("--expires <time>", "how long it is valid: 12h, 30d, at most 366d", "90d")
    .option("--name <text>", "for the list of keys")
    .option(
      "--allow-ip <network>",
      "the only network that it may be used from; repeatable",
      collect,
    )
    .option("--ai", "for the models under /v1: the same as --scope ai")
    .option("--ai-at-once <number>", "requests to the models at a time")
    .option("--ai-per-minute <number>", "requests to the models in a minute")
    .option("--ai-tokens-per-day <number>", "tokens of prompts and answers in 24 hours")
    .option("-q, --quiet", "print the key alone")
    .option("--json", "as JSON")
    .withExamples(
      "mesh key create --scope read --scope register --expires 30d --name homelab",
      "mesh key create --scope admin --expires 30d --json | jq -r .key",
      "mesh key create --scope services --allow-ip 192.168.1.0/24",
      "mesh key create --ai --ai-tokens-per-day 200000 --name open-webui",
    );
  return withDoorOptions(command).action(async (options: Options) => {
    const request = toRequest(options);
    await throughDoor(cli, options, async ({ api }) => {
      const { createKey } = await import("@hearthmesh/client");
      const made = await createKey(api, request);
      if (options.json === true) return printJson(cli, made);
      if (options.quiet === true) return print(cli, made.key);
      const until = formatTime(made.notAfterMs);
      print(cli, `API key ${made.id} with ${made.scopes.join(", ")}, until ${until}`);
      if (made.allowIps.length > 0) print(cli, `  only from ${made.allowIps.join(", ")}`);
      print(cli, `\n${cli.colours.bold(made.key)}\n`);
      const where = made.scopes.includes("ai")
        ? "Send it as the header X-API-Key, or under /v1 as OpenAI's clients do."
        : "Send it as the header X-API-Key.";
      note(cli, cli.colours.dim(`${where} It is not shown again.`));
    });
  });
}

function toRequest(options: Options): ApiKeyCreateRequest {
  const words = [...(options.scope ?? []), ...(options.ai === true ? ["ai"] : [])].flatMap((text) =>
    text.split(","),
  );
  const wanted = words.map((text) => text.trim()).filter((text) => text !== "");
  const scopes = SCOPES.filter((scope) => wanted.includes(scope));
  const unknown = wanted.find((text) => !SCOPES.some((scope) => scope === text));
  if (unknown !== undefined || scopes.length === 0) {
    throw usageError(
      unknown === undefined
        ? "a key needs at least one --scope"
        : `${JSON.stringify(unknown)} is not a scope`,
      `There are: ${SCOPES.join(", ")}.`,
    );
  }
  return {
    scopes,
    validity: options.expires,
    ...(options.name === undefined ? {} : { name: options.name }),
    allowIps: splitNetworks(options.allowIp ?? []),
    ...aiLimits(options, scopes),
  };
}

function aiLimits(
  options: Options,
  scopes: readonly ApiKeyScope[],
): Pick<ApiKeyCreateRequest, "ai"> {
  const requestsAtOnce = parseWholeNumber(options.aiAtOnce, "--ai-at-once");
  const requestsPerMinute = parseWholeNumber(options.aiPerMinute, "--ai-per-minute");
  const tokensPerDay = parseWholeNumber(options.aiTokensPerDay, "--ai-tokens-per-day");
  const ai = {
    ...(requestsAtOnce === undefined ? {} : { requestsAtOnce }),
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerDay === undefined ? {} : { tokensPerDay }),
  };
  if (Object.keys(ai).length === 0) return {};
  if (!scopes.includes("ai") && !scopes.includes("admin")) {
    throw usageError("--ai-at-once, --ai-per-minute and --ai-tokens-per-day need --ai");
  }
  return { ai };
}

/** `a,b` and several options mean the same. */
export function splitNetworks(texts: readonly string[]): string[] {
  const parts = texts.flatMap((text) => text.split(","));
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}
