/** Words and colours that the commands of `mesh heal` share. */
import type { HealingModeResponse, IncidentSummary } from "@hearthmesh/gateway/contracts";
import type { Cli } from "../cli.js";
import { formatDuration, formatMoment, printable } from "../text.js";

export function paintMode(cli: Cli, mode: HealingModeResponse["mode"]): string {
  const { green, yellow } = cli.colours;
  return mode === "acting" ? green(mode) : yellow(mode);
}

export function paintSeverity(cli: Cli, severity: IncidentSummary["severity"]): string {
  const { dim, red, yellow } = cli.colours;
  return { info: dim, warning: yellow, critical: red }[severity](severity);
}

export function paintIncidentState(cli: Cli, state: IncidentSummary["state"]): string {
  const { dim, green, red, yellow } = cli.colours;
  const paint = {
    ...{ open: yellow, mending: yellow, verifying: yellow, "given-up": red },
    ...{ mended: green, passed: dim, ended: dim },
  }[state];
  return paint(state);
}

/** `mended in 4.1 s`; how long it has lasted while it is open. */
export function lastedText(incident: IncidentSummary, nowMs: number): string {
  const { closedAtMs, openedAtMs, timings } = incident;
  const endMs = closedAtMs ?? nowMs;
  const ms = closedAtMs === null ? endMs - openedAtMs : (timings.verifiedMs ?? endMs - openedAtMs);
  return ms < 10_000 && ms >= 0 ? `${(ms / 1_000).toFixed(1)} s` : formatDuration(ms);
}

export function remediesText({ remedies, dryRun }: IncidentSummary): string {
  if (remedies.length === 0) return "";
  const names = [...new Set(remedies)].map(printable).join(", ");
  return dryRun ? `(${names})` : names;
}

/** What a command that changed the mode says. */
export function modeSentence(cli: Cli, answer: HealingModeResponse): string {
  const { nodeName, mode, pausedUntilMs } = answer;
  const until = pausedUntilMs === null ? "until `mesh heal resume`" : untilText(pausedUntilMs);
  const name = printable(nodeName);
  const sentences = {
    acting: `${name} mends what breaks`,
    "dry-run": `${name} says what it would do, and does nothing`,
    paused: `${name} looks on and mends nothing, ${until}`,
  };
  return `${sentences[mode]} (${paintMode(cli, mode)})`;
}

export function untilText(pausedUntilMs: number): string {
  return `until ${formatMoment(pausedUntilMs)}`;
}
