/**
 * Machines that run a model together. `membership` says who belongs to a pool, `models` what can be
 * run, `shards` who holds which part, `engine` computes, `ring` adds up, `planner` decides whether
 * splitting pays, `runtime` joins them for one node. Nodes that run no model need two parts, which
 * have entries of their own: `@hearthmesh/pool/membership` and `@hearthmesh/pool/endpoints`.
 */

export { AnswerText, type EncodedPrompt, TextModel } from "./chat/text-model.js";
export type {
  EndpointAnswer,
  EndpointInput,
  EndpointKind,
  EndpointOperation,
  EndpointRecord,
  EndpointRequest,
  EndpointService,
  EndpointView,
} from "./endpoints/endpoint-service.js";
export {
  type EngineMemory,
  type EngineSizes,
  memoryOf,
  weightBytesEstimate,
} from "./engine/engine-memory.js";
export type { EngineDevice } from "./engine/ggml/devices.js";
export { type EngineInfo, engineInfo } from "./engine/ggml/engine-info.js";
export { type Bandwidth, measureBandwidth } from "./engine/ggml/measure-bandwidth.js";
export { type GgmlSurroundings, openGgmlEngine } from "./engine/ggml/open-ggml-engine.js";
export { openReferenceEngine } from "./engine/reference/open-reference-engine.js";
export type {
  EngineBatch,
  EngineOptions,
  EngineStats,
  ShardEngine,
} from "./engine/shard-engine.js";
export {
  rangesOf,
  type ShardTensors,
  shardTensorsOf,
  weightBytesOf,
} from "./engine/shard-tensors.js";
export type {
  Gguf,
  GgufMetadata,
  GgufTensor,
  GgufValue,
  RandomAccess,
} from "./gguf/gguf.js";
export { modelShapeOf } from "./gguf/model-shape-of.js";
export { quantise, type WritableType } from "./gguf/quantise.js";
export { readGguf } from "./gguf/read-gguf.js";
export { bytesSource, type FileSource, openFileSource } from "./gguf/sources.js";
export { type GgufTensorSource, ggufBytes, ggufPieces } from "./gguf/write-gguf.js";
export type {
  PoolDirectory,
  PoolMemberView,
  PoolRole,
  PoolView,
} from "./membership/pool-directory.js";
export type {
  Architecture,
  ModelShape,
  RopeShape,
  TensorType,
} from "./model/model-shape.js";
export {
  CollectiveLibrary,
  type LibraryStats,
  readOnlyError,
} from "./models/collective-library.js";
export { openDemoModel } from "./models/demo-model.js";
export { MODEL_HASHES_BYTES_MAX, MODEL_RECORD_BYTES_MAX, MODELS_MAX } from "./models/limits.js";
export { LocalModels } from "./models/local-models.js";
export type { DiskRoom, ModelFiles, ModelFilesWriter, StoredRecord } from "./models/model-files.js";
export {
  type AddOptions,
  type ImportState,
  type ImportView,
  ModelImports,
} from "./models/model-imports.js";
export type {
  ByteRange,
  ModelLibrary,
  ModelRecord,
  PullProgress,
} from "./models/model-library.js";
export { type EqualShare, equalShares, membersMaxOf } from "./models/model-shares.js";
export { EMPTY_HISTORY } from "./planner/history.js";
export { planModel } from "./planner/plan-model.js";
export type {
  ChatMessage,
  FinishReason,
  GenerateRequest,
  GenerationEvent,
  GenerationTimings,
  Prompt,
  SamplingOptions,
} from "./ring/generation.js";
export type { RingPlan, RingPlanMember } from "./ring/ring-plan.js";
export type { RingFailure, RingWorker, RingWorkerStats } from "./ring/ring-worker.js";
export type { RestartableRingWorker, RingWorkerOptions } from "./ring/ring-worker-options.js";
export { startRingWorker } from "./ring/start-ring-worker.js";
export type { RingCredentials } from "./ring/tensor-plane.js";
export type { EngineProcess } from "./runtime/engine-processes.js";
export type {
  InferenceRequest,
  InferenceService,
  InferenceStats,
  Placement,
  PlacementRow,
  PlanExplanation,
  PlanOptions,
} from "./runtime/inference-service.js";
export { measureEngine } from "./runtime/measure-engine.js";
export { PoolInference } from "./runtime/pool-inference.js";
export type {
  AgentLinks,
  AgentMember,
  AgentMembers,
  AgentPorts,
  HeldWorker,
  HostMeasures,
  StartWorker,
} from "./runtime/ports.js";
export { benchRings } from "./runtime/ring-bench.js";
export type {
  EngineBench,
  LinkBench,
  NodeRings,
  RingBenchRow,
  RingInspection,
} from "./runtime/ring-inspection.js";
export type { RingLoss } from "./runtime/ring-losses.js";
export type { Replanned, Resting, RingHealth, Unloaded } from "./runtime/ring-upkeep.js";
export { type SliceCandidates, sliceCandidates } from "./sampling/candidates.js";
export { candidatesNeeded, Sampler } from "./sampling/sampler.js";
export { StopTexts } from "./sampling/stop-texts.js";
export { columnsOf } from "./shards/columns.js";
export { RING_COLUMNS, type Shard, type Span } from "./shards/shard.js";
export { idlePositions, shardsOf, wholeShard } from "./shards/shards-of.js";
export { TokenDecoder, type Tokenizer } from "./tokenizer/tokenizer.js";
export { tokenizerOf } from "./tokenizer/tokenizer-of.js";
