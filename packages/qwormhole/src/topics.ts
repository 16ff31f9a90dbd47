/**
 * Topics: `topic-names.ts` says what a topic and a pattern are, `subscription-index.ts` finds who
 * subscribed to a topic.
 */
export { SubscriptionIndex } from "./subscription-index.js";
export { checkPattern, checkTopic } from "./topic-names.js";
