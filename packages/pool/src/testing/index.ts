/** For tests and benchmarks of this and other packages: models with random weights of any shape. */
export {
  type RandomModel,
  type RandomModelOptions,
  randomModel,
  randomModelBytes,
  TINY_SHAPE,
} from "./random-model.js";
