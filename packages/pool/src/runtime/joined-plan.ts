/** The plan of a ring as its worker gets it, once all members have said where they are. Pure. */
import type { ModelRecord } from "../models/model-library.js";
import type { RingPlan } from "../ring/ring-plan.js";
import { shardsOf } from "../shards/shards-of.js";
import type { JoinMessage, PrepareMessage } from "./agent-messages.js";

export function joinedPlan(
  message: PrepareMessage,
  join: JoinMessage,
  model: ModelRecord,
): RingPlan {
  const { members } = message;
  const shards = shardsOf(
    model.shape,
    members.map(({ columns }) => columns),
  );
  return {
    v: 1,
    epoch: message.epoch,
    modelId: message.modelId,
    contextTokens: message.contextTokens,
    leader: message.leader,
    members: members.flatMap(({ nodeId, name }, index) => {
      const shard = shards[index];
      return shard === undefined
        ? []
        : [{ nodeId, name, shard, endpoints: join.endpoints[index] ?? [] }];
    }),
  };
}
