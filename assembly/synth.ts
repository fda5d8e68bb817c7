// Weights fitted to the inputs of their layer: second moments, their triangular factor, rounding against it. A module of its own, so that nobody downloads it who only runs networks.
// It shares the memory of a core and is compiled with SIMD; sums have a fixed order, so that a container has the same bytes on every machine.
export { addMoments } from "./synth/moments";
export { factor } from "./synth/factor";
export { fitRows } from "./synth/fit";
