import type { Graph } from "../graph.ts";
import { applyRules, type Rule } from "./editor.ts";
import { dropIdentity, joinCasts, joinReshapes, joinTransposes, shareNodes } from "./eliminate.ts";
import { foldConstants, shareInitializers } from "./fold-constants.ts";
import { adoptMatMul, fuseActivation, fuseGelu, fuseHardSigmoid, fuseHardSwish, fuseSilu } from "./fuse-activation.ts";
import { scaleInteger } from "./fuse-integer.ts";
import { foldAffine, foldPad, gemmToMatMul, spellBatchNormalization } from "./fuse-linear.ts";
import { fuseLayerNorm, fuseRmsNorm } from "./fuse-norm.ts";
import { dropNeutral, joinScalars } from "./fuse-scalars.ts";
import { normalize } from "./normalize.ts";

const CLEAN: readonly Rule[] = [dropIdentity, joinTransposes, joinReshapes, joinCasts];
/** Patterns of several operators, looked for before their parts are folded into neighbours. */
const PATTERNS: readonly Rule[] = [dropNeutral, fuseHardSwish, fuseGelu, fuseLayerNorm, fuseRmsNorm, fuseSilu];
const FUSE: readonly Rule[] = [...CLEAN, dropNeutral, fuseHardSigmoid, joinScalars, foldPad, foldAffine];

/**
 * The graph with the same outputs and fewer nodes: normalized, constants folded, common subexpressions joined, no-ops and dead nodes dropped,
 * fused operators (listed in src/graph/operators.md) in the place of patterns. Sums are not reordered; weights that take over a scale are computed in double and
 * rounded once. Linear layers keep the names of their nodes, and their weights the names of their initializers where no one else reads them.
 */
export function optimize(graph: Graph): Graph {
  let result = shareNodes(shareInitializers(foldConstants(normalize(graph))));
  result = applyRules(result, CLEAN);
  result = shareNodes(result);
  result = applyRules(result, PATTERNS);
  result = applyRules(result, FUSE);
  result = applyRules(result, [scaleInteger, spellBatchNormalization, gemmToMatMul, adoptMatMul, fuseActivation]);
  return shareNodes(shareInitializers(foldConstants(result)));
}
