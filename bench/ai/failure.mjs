/** A member that is killed in the middle of an answer: does it go on, the same, and how soon? */
import { sameFromTheFirst } from "./parity.mjs";
import { startRing } from "./ring.mjs";

const PROMPT = "Once upon a time";
const MEMBERS = [
  { threads: 1, cores: "0" },
  { threads: 1, cores: "1" },
];

/** What the survivor needs at the least: to load the whole model, and to compute the log again. */
async function leastMs(model, logTokens) {
  const ring = await startRing({ model, members: [MEMBERS[0]] });
  try {
    const reloadMs = await ring.load();
    // As long a prompt as the log was, so that it is computed in pieces as large.
    const words = "once the time was in the land ".repeat(Math.ceil(logTokens / 7));
    const { promptPerSecond } = await ring.generate(words, 1);
    return { reloadMs, replayMs: (logTokens / promptPerSecond) * 1000 };
  } finally {
    await ring.stop();
  }
}

async function answerWithLoss(ring, tokens, killAt) {
  const [leader, other] = ring.members;
  let replan;
  const failed = new Promise((resolve, reject) => {
    leader.onFailure = () => {
      replan = ring.load([leader]);
      replan.then(resolve, reject);
    };
  });
  let isKilled = false;
  leader.onProgress = (count) => {
    if (count < killAt || isKilled) return;
    isKilled = true;
    void other.call("kill");
  };
  const answer = await ring.generate(PROMPT, tokens, true);
  if (isKilled) await failed;
  return answer;
}

/** `killAt`: the token at which one of two members is killed. */
export async function failureRound({ model, tokens, killAt }) {
  const ring = await startRing({ model, members: MEMBERS });
  let whole;
  let broken;
  try {
    await ring.load();
    whole = await ring.generate(PROMPT, tokens);
    broken = await answerWithLoss(ring, tokens, killAt);
  } finally {
    await ring.stop();
  }
  const { pauseMs, replayedTokens } = broken.timings;
  return {
    killAt,
    pauseMs,
    replayedTokens,
    epochs: broken.timings.epochs,
    same: sameFromTheFirst(broken.tokens, whole.tokens),
    of: whole.tokens.length,
    ...(await leastMs(model, replayedTokens)),
  };
}
