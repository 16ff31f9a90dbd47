/**
 * What healers remember in the member's store, on a coordinator:
 *
 * | key                                         | value                                        |
 * |---------------------------------------------|----------------------------------------------|
 * | `healing/incident/<incident id>`            | `Incident` of any node, times of the leader  |
 * | `healing/remedy/<node id>/<symptom> <name>` | `RemedyRecord`: what that node learnt        |
 * | `healing/settings/<node id>`                | `HealerSettings` of that node                |
 * | `healing/gates/<node id>`                   | `GatesRecord`: how often it did something    |
 *
 * Every coordinator writes its own records. Those of other nodes are written, and the oldest
 * removed, by the one that leads, fenced by its epoch.
 */
import type {
  GatesRecord,
  HealerSettings,
  Incident,
  RemedyRecord,
  Remembered,
} from "@hearthmesh/healing";
import { healingLimits, spareIncidents } from "@hearthmesh/healing";
import type { KeyRange, KeyValue, Store } from "@hearthmesh/store";
import { put, remove } from "@hearthmesh/store/operations";
import type { MemberLeadership } from "../coordinators/member-leadership.js";
import { readIncident } from "./incident-schema.js";
import { type NodeKnowledge, readGates, readJson, readRecord } from "./knowledge-records.js";

const INCIDENTS = "healing/incident/";
const REMEDIES = "healing/remedy/";
const SETTINGS = "healing/settings/";
const GATES = "healing/gates/";
/** The oldest incidents are looked for after so many that were written. */
const TRIM_EVERY = 64;
const DELETED_AT_ONCE = 100;
const PAGE = 250;

export interface MemberKnowledgeOptions {
  readonly store: Store;
  readonly leadership: Pick<MemberLeadership, "state" | "fence">;
  readonly nodeId: string;
}

export class MemberKnowledge implements NodeKnowledge {
  readonly #options: MemberKnowledgeOptions;
  #untilTrim = 0;
  /** Whose incident a key is, and of when, as far as it is known here. */
  #known = new Map<string, Pick<Incident, "nodeId" | "openedAtMs">>();

  constructor(options: MemberKnowledgeOptions) {
    this.#options = options;
  }

  async load(): Promise<Remembered> {
    const { store, nodeId } = this.#options;
    const incidents = await this.#newestIncidents();
    this.#known = new Map(incidents.map((one) => [INCIDENTS + one.id, knownOf(one)]));
    const learnt = await store.range({ prefix: `${REMEDIES}${nodeId}/` });
    const settings = readRecord<HealerSettings>(parse(await store.get(SETTINGS + nodeId)));
    const gates = readGates(parse(await store.get(GATES + nodeId)));
    return {
      incidents,
      remedies: learnt.entries.flatMap((entry) => readRecord<RemedyRecord>(parse(entry)) ?? []),
      settings,
      ...(gates === undefined ? {} : { gates }),
    };
  }

  async saveIncident(incident: Incident): Promise<void> {
    const { store, leadership, nodeId } = this.#options;
    const isOwn = incident.nodeId === nodeId;
    // Another coordinator leads by now, and hears of it from the node itself.
    if (!isOwn && !this.#leads()) return;
    // While this one begins to lead it has not read yet whose ids there are.
    if (!isOwn && !(await this.#isFree(incident))) return;
    const through = isOwn ? store : leadership.fence(store);
    await through.transact({ success: [put(INCIDENTS + incident.id, encode(incident))] });
    if (!this.#leads()) return;
    this.#known.set(INCIDENTS + incident.id, knownOf(incident));
    await this.#trim();
  }

  async saveRemedy(record: RemedyRecord): Promise<void> {
    const { nodeId } = this.#options;
    await this.#put(`${REMEDIES}${nodeId}/${record.symptom} ${record.remedy}`, record);
  }

  async saveSettings(settings: HealerSettings): Promise<void> {
    await this.#put(SETTINGS + this.#options.nodeId, settings);
  }

  async saveGates(gates: GatesRecord): Promise<void> {
    await this.#put(GATES + this.#options.nodeId, gates);
  }

  async #put(key: string, record: object): Promise<void> {
    await this.#options.store.transact({ success: [put(key, encode(record))] });
  }

  /** Whether no other node has an incident with this id. */
  async #isFree({ id, nodeId }: Incident): Promise<boolean> {
    const key = INCIDENTS + id;
    const known = this.#known.get(key);
    const of = known?.nodeId ?? readIncident(parse(await this.#options.store.get(key)))?.nodeId;
    return of === undefined || of === nodeId;
  }

  #leads(): boolean {
    return this.#options.leadership.state.role === "leader";
  }

  async #newestIncidents(): Promise<Incident[]> {
    const incidents: Incident[] = [];
    let range: KeyRange = { prefix: INCIDENTS };
    while (incidents.length < healingLimits.INCIDENTS_KEPT_MAX) {
      const page = await this.#options.store.range(range, { limit: PAGE, reverse: true });
      for (const entry of page.entries)
        incidents.push(...[readIncident(parse(entry)) ?? []].flat());
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) break;
      range = { start: INCIDENTS, end: last.key };
    }
    return incidents.slice(0, healingLimits.INCIDENTS_KEPT_MAX);
  }

  /** Only the one that leads removes, so that two do not count the same. */
  async #trim(): Promise<void> {
    if (--this.#untilTrim > 0) return;
    this.#untilTrim = TRIM_EVERY;
    const { store, leadership } = this.#options;
    const all = await store.range({ prefix: INCIDENTS }, { keysOnly: true });
    const spare = this.#spare(all.entries.map(({ key }) => key));
    const fenced = leadership.fence(store);
    for (let from = 0; from < spare.length; from += DELETED_AT_ONCE) {
      const some = spare.slice(from, from + DELETED_AT_ONCE);
      await fenced.transact({ success: some.map(remove) });
      for (const key of some) this.#known.delete(key);
    }
  }

  /**
   * Whose it is that another coordinator wrote is not known here: as good as an own one, of the
   * time that its id tells.
   */
  #spare(keys: readonly string[]): string[] {
    const { nodeId: selfId } = this.#options;
    const kept = keys.map((id) => {
      const unread = { nodeId: selfId, openedAtMs: timeIn(id.slice(INCIDENTS.length)) };
      return { id, ...(this.#known.get(id) ?? unread) };
    });
    return spareIncidents(kept, selfId, () => false);
  }
}

function knownOf({ nodeId, openedAtMs }: Incident): Pick<Incident, "nodeId" | "openedAtMs"> {
  return { nodeId, openedAtMs };
}

/** When an id was made, by the clock of its node. */
function timeIn(id: string): number {
  return Number.parseInt(id, 36) || 0;
}

function encode(record: object): Uint8Array {
  return Buffer.from(JSON.stringify(record), "utf8");
}

function parse(entry: KeyValue | undefined): unknown {
  return entry && readJson(Buffer.from(entry.value).toString("utf8"));
}
