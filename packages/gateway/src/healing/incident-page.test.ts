import type { Incident } from "@hearthmesh/healing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  blockedIncident,
  dryRunIncident,
  entry,
  givenUpIncident,
  HOSTILE_CHARACTERS,
  mendedIncident,
  OPENED_MS,
  passedIncident,
} from "../testing/incidents.js";
import { incidentHtml } from "./incident-html.js";
import { incidentPage } from "./incident-page.js";
import { incidentView } from "./incident-view.js";
import { durationText } from "./incident-words.js";

const nowMs = OPENED_MS + 65_000;
const WIDTH = 400;
const page = (incident: Incident, markdown = false) =>
  incidentPage(incidentView(incident), { nowMs, markdown, width: WIDTH });

/** Lines of a section, without its title and the space in front of them. */
function section(incident: Incident, title: string): string[] {
  const lines = page(incident);
  const start = lines.indexOf(title) + 1;
  expect(start, title).toBeGreaterThan(0);
  const end = lines.indexOf("", start);
  return lines.slice(start, end < 0 ? undefined : end).map((line) => line.trim());
}

describe("the page of an incident", () => {
  it("says in its first line what was wrong and how it ended", () => {
    const heads = [
      mendedIncident,
      givenUpIncident,
      passedIncident,
      blockedIncident,
      dryRunIncident,
    ];
    expect(heads.map((make) => page(make())[0])).toEqual([
      "attic does not answer: mended by re-route after 9.4 s",
      "etcd is not running: not mended for 1 min 5 s: restart-process did not help",
      "home is under load: gone by itself after 43 s",
      "attic gives back damaged chunks: open for 1 min 5 s, and no remedy is allowed now",
      "the disk of home is filling: open for 1 min 5 s (dry run: nothing is done)",
    ]);
    expect(page(mendedIncident())[1]).toBe(
      "Incident mi8k2x4c-9f31ab77 · warning · seen by home (a1f0a1f0a1f0) · " +
        "2026-11-21 22:14:05 UTC to 2026-11-21 22:14:14 UTC",
    );
  });

  it("has the sections of a post-mortem, in their order", () => {
    const titles = page(mendedIncident(), true).filter((line) => line.startsWith("## "));
    expect(titles.map((line) => line.slice(3))).toEqual([
      "In short",
      "What was seen",
      "What it means",
      "Timeline",
      "What was decided, and why",
      "What was done",
      "Whether it worked",
      "How long it took",
      "What a person should do",
    ]);
  });

  it("tells all of it in one sentence", () => {
    const short = (incident: Incident) => section(incident, "In short").join(" ");
    expect(short(mendedIncident())).toBe(
      "home saw at 2026-11-21 22:14:05 UTC that attic does not answer; redial did not help and " +
        "re-route was used; 9.4 s after the first sign it was verified to be gone.",
    );
    expect(short(givenUpIncident())).toMatch(
      /is not running; restart-process did not help; after 1 min 5 s it is still there, and a p/,
    );
    expect(short(passedIncident())).toMatch(
      /under load; no remedy was used; it went away by itself after 43 s\.$/,
    );
    expect(short(blockedIncident())).toMatch(
      /chunks; there was no remedy that could be used; after 1 min 5 s it is still there\.$/,
    );
    expect(short(dryRunIncident())).toMatch(
      /filling; healing ran dry, so nothing was done; after 1 min 5 s it is still there\.$/,
    );
    expect(short({ ...blockedIncident(), kind: "node-left" })).toMatch(
      /order; that is no fault, and nothing was to be mended; after/,
    );
    const { closedAtMs: _, ...going } = mendedIncident();
    const begun = { ...going, timeline: going.timeline.slice(0, 3), remedies: ["redial" as const] };
    expect(short({ ...begun, state: "mending" })).toMatch(/; redial is being applied; that is 1 /);
    expect(short({ ...begun, state: "verifying" })).toMatch(/; redial was used; whether that /);
  });

  it("tells the times of day of the reader's zone, and the day where it is another one", () => {
    const late = entry(7_200_000, "closed", "attic is reachable again");
    const incident: Incident = {
      ...mendedIncident(),
      timeline: [...mendedIncident().timeline.slice(0, 8), late],
    };
    expect(section(incident, "Timeline").slice(-2)).toEqual([
      "22:14:14  +9.4 s  re-route verified: attic answered 3 probes in a row through shed",
      "2026-11-22 00:14:05    +2 h  closed: attic is reachable again",
    ]);
    const view = incidentView(incident);
    const east = incidentPage(view, { nowMs, width: WIDTH, offsetMinutes: () => 330 });
    expect(east[1]).toMatch(/ · 2026-11-22 03:44:05 \+05:30 to 2026-11-22 03:44:14 \+05:30$/);
    const west = incidentPage(view, { nowMs, width: WIDTH, offsetMinutes: () => -570 });
    expect(west[1]).toMatch(/ · 2026-11-21 12:44:05 -09:30 to /);
    const never = { ...view, openedAtMs: Number.POSITIVE_INFINITY };
    expect(incidentPage(never, { nowMs })[1]).toContain("9999-12-31 23:59:59 UTC");
  });

  it("tells what was seen, by whom, and when it was believed", () => {
    expect(section(mendedIncident(), "What was seen")).toEqual([
      "home looked at node attic (b71cb71cb71c) and noted:",
      "+0 ms  3 probes of attic within 1.2 s were not answered, nor were those of 2 others.",
      "+0 ms  membership declared attic dead after 2.8 s of suspicion.",
      "Such a sign is believed at once.",
    ]);
    expect(section(passedIncident(), "What was seen").at(-1)).toBe(
      "Such a sign is believed only after it has held for 10 s; here that was after 10 s.",
    );
  });

  it("tells why one remedy was taken and the others were not", () => {
    expect(section(mendedIncident(), "What was decided, and why").slice(0, 4)).toEqual([
      "+3 ms  redial: dial all 3 addresses of attic.",
      "- redial (score 0.81, helped in 86 % of 7 uses): chosen, the best of what was possible",
      "- re-route (score 0.55, helped in 50 % of 2 uses): possible",
      "- fail-over-hub (score 0.40, not used here before): not possible: " +
        "this node has no second hub",
    ]);
    const [first, second] = section(blockedIncident(), "What was decided, and why");
    expect(first).toBe("+4 ms  no remedy: none is possible now.");
    expect(second).toMatch(/^- quarantine-node .*not possible: this side has lost/);
    expect(section(blockedIncident(), "What was decided, and why").at(-1)).toMatch(
      /^A score is the share of past uses that helped, less cost and risk;/,
    );
    expect(section(passedIncident(), "What was decided, and why")).toEqual([
      "Nothing: it was over before that.",
    ]);
  });

  it("tells that there was no remedy, and when a monitor has a rule of its own", () => {
    const incident: Incident = {
      ...{ ...passedIncident(), kind: "canary-failing", timings: { detectedMs: 5_400 } },
      timeline: [
        entry(0, "seen", "nobody listens on 127.0.0.1:9000"),
        entry(5_500, "given-up", "no remedy of this node handles it"),
        entry(16_000, "closed", "the step coordinator says ok"),
      ],
    };
    expect(section(incident, "What was seen").at(-1)).toBe("It was believed after 5.4 s.");
    expect(section(incident, "What was decided, and why")).toEqual([
      "+5.5 s  no remedy: no remedy of this node handles it.",
    ]);
    const { timeline } = mendedIncident();
    const passed: Incident = {
      ...mendedIncident(),
      state: "passed",
      timeline: timeline.slice(0, 5),
    };
    expect(section(passed, "Whether it worked").at(-1)).toMatch(/^It went away by itself\. The/);
  });

  it("tells what was done, whether it worked, and how that was checked", () => {
    expect(section(mendedIncident(), "What was done")).toEqual([
      "+1.1 s  redial: dialled 3 addresses of attic, none answered within 1 s.",
      "+6.1 s  re-route: opened a stream to attic through shed.",
    ]);
    expect(section(mendedIncident(), "Whether it worked")).toEqual([
      "+5 s  No (redial): 4 s later attic was still not reachable.",
      "+9.4 s  Yes (re-route): attic answered 3 probes in a row through shed.",
      "The monitor that saw it decides: the symptom counts as gone as soon as it looks and " +
        "finds it well.",
    ]);
    expect(section(mendedIncident(), "How long it took")).toEqual([
      "Since the first sign: detected 0 ms, decided 3 ms, mended 6.1 s, verified 9.4 s.",
    ]);
    expect(section(dryRunIncident(), "What was done")).toEqual(["Nothing, since healing ran dry."]);
    expect(section(passedIncident(), "Whether it worked")[0]).toMatch(
      /^It went away without a remedy\..*well for 30 s without a break\.$/,
    );
  });

  it("asks a person for something only when something is left to do", () => {
    const advice = (incident: Incident) => section(incident, "What a person should do").join(" ");
    expect(advice(passedIncident())).toBe("Nothing, unless it happens again.");
    expect(advice({ ...givenUpIncident(), state: "passed", closedAtMs: OPENED_MS })).toMatch(
      /^Nothing now\. When it happens again: Its own log says why/,
    );
    const note = { ...passedIncident(), kind: "node-left" as const };
    expect(advice(note)).toBe("Nothing.");
    expect(advice({ ...blockedIncident(), kind: "node-left" })).toMatch(/^Start it again when it/);
    expect(advice(mendedIncident())).toMatch(/^Nothing now\. When it happens again: /);
    expect(advice(givenUpIncident())).toMatch(/Its own log says why.*tries again/);
    expect(advice(blockedIncident())).toMatch(/^Check its disk and memory/);
    expect(advice(dryRunIncident())).toContain("`mesh heal dry-run --off`");
  });

  it("says what was left out of a long timeline, and takes it for nothing else", () => {
    const gap = { ...entry(2_000, "applied", "12 entries are left out here"), omitted: 12 };
    const incident = { ...mendedIncident(), timeline: [...mendedIncident().timeline, gap] };
    expect(section(incident, "Timeline").at(-1)).toBe(
      "22:14:07    +2 s  (12 entries are left out here)",
    );
    expect(section(incident, "What was done")).toHaveLength(2);
  });

  it("breaks long lines beside their times", () => {
    const lines = incidentPage(incidentView(blockedIncident()), { nowMs, width: 60 });
    expect(lines.slice(2).filter((line) => line.length > 60)).toEqual([]);
    const at = lines.findIndex((line) => line.includes("+4 ms  no remedy"));
    expect(lines[at + 1]).toMatch(/^ {19}\S/);
  });

  it("tells a note as one, and what only eases as that", () => {
    const note = { ...blockedIncident(), kind: "node-left" as const };
    expect(page(note)[0]).toMatch(/^attic has left in order: for .* now; nothing is to be mended$/);
    const { closedAtMs: _, ...mended } = mendedIncident();
    const eased = {
      ...mended,
      ...{ state: "open" as const, kind: "load-high" as const },
      timeline: mended.timeline.filter(({ step }) => step !== "verified" && step !== "closed"),
    };
    expect(page(eased)[0]).toMatch(/^attic is under load: open for .*, eased by re-route$/);
  });

  it("is the same in HTML, with its times in front", () => {
    const html = incidentHtml(incidentView(mendedIncident()), { nowMs });
    const text = html.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
    const plain = incidentPage(incidentView(mendedIncident()), { nowMs, width: 10_000 });
    for (const line of plain.slice(2)) {
      for (const part of line.replace(/^\s+(- )?/, "").split(/ {2,}/)) expect(text).toContain(part);
    }
    expect(html).toContain("<title>attic does not answer: mended by re-route after 9.4 s</title>");
    expect(html).toMatch(/<li><span class="mark">22:14:14 {2}\+9\.4 s<\/span> <span>closed: /);
    expect(html).not.toMatch(/<script|\sstyle=|\son\w+=/);
  });

  it("explains a kind that only a later version knows", () => {
    const incident = { ...mendedIncident(), kind: "__proto__" as Incident["kind"] };
    expect(page(incident)[0]).toMatch(/^attic has the symptom __proto__: mended/);
  });
});

describe("texts from other nodes", () => {
  // Escape sequences, line ends of all kinds, marks that turn text around, and Markdown.
  const evil = "a\u001b[2J\r\n\u0007\u2028\u202e\u009b31m<b>*x*[y](javascript:z)`q`";
  const hostile = (text: string): Incident => ({
    ...mendedIncident(),
    ...{ nodeName: text, nodeId: text, id: text, subject: { type: "node", id: text, name: text } },
    remedies: [text as never],
    timeline: [
      entry(0, "seen", text),
      entry(1, "decided", text, {
        remedy: text as never,
        candidates: [
          { remedy: text as never, text, score: 1, success: 1, uses: 1, blockedBy: text },
        ],
      }),
      entry(2, "applied", text, { remedy: text as never }),
      entry(3, "verified", text, { remedy: text as never }),
    ],
  });
  const harmful = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;

  it("neither move the cursor nor begin a line", () => {
    for (const markdown of [false, true]) {
      // What a node of another member may answer.
      const view = { ...incidentView(hostile(evil)), meaning: evil, advice: evil };
      const lines = incidentPage(view, { nowMs, markdown, width: WIDTH });
      expect(lines.filter((line) => harmful.test(line))).toEqual([]);
      expect(lines.length).toBeLessThan(80);
    }
  });

  it("stay text in Markdown", () => {
    const text = page(hostile(evil), true).join("\n");
    expect(text).not.toMatch(/(?<!\\)<b>|(?<!\\)\[y(?<!\\)\]|(?<![\\`])`q/);
  });

  it("stay text in HTML", () => {
    const markup = `</title><script>alert(1)</script><img src=x onerror='a'>&amp;"${evil}`;
    const html = incidentHtml(
      { ...incidentView(hostile(markup)), meaning: markup, advice: markup },
      { nowMs },
    );
    const tags = new Set([...html.matchAll(/<\/?([a-z!]\w*)([^>]*)>/gi)].map(([, name]) => name));
    expect([...tags].sort()).toEqual(
      ["!doctype", "body", "h1", "h2", "head", "html", "li", "link", "main", "meta", "p"].concat([
        "section",
        "span",
        "title",
        "ul",
      ]),
    );
    expect(html).not.toMatch(/[\p{Cc}\u202e\u2028](?<!\n)/u);
    expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    expect(html).toContain("&amp;amp;&quot;a");
  });

  it("do no harm, whatever they are", () => {
    const unit = fc.constantFrom(...HOSTILE_CHARACTERS);
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 1_000 }), fc.boolean(), (text, markdown) => {
        const lines = page(hostile(text), markdown);
        expect(lines.some((line) => harmful.test(line))).toBe(false);
        expect(lines.every((line) => line.length < 8_000)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
});

describe("durations", () => {
  it("are as exact as a person wants them", () => {
    const given = [0, 0.4, 999.4, 999.5, 4_120, 43_000, 59_949, 59_950, 125_000, 3_600_000];
    given.push(11_400_000, 187_200_000, -5);
    expect(given.map(durationText)).toEqual([
      ...["0 ms", "0 ms", "999 ms", "1 s", "4.1 s", "43 s", "60 s", "1 min", "2 min 5 s", "1 h"],
      ...["3 h 10 min", "2 d 4 h", "0 ms"],
    ]);
  });
});
