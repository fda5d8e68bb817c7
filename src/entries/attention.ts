/**
 * `bitbasis/attention`: how many bits attention needs to keep tokens apart, with proofs, and the audit of a network's own attention.
 *
 * @module
 */
export * from "../attention/index.ts";
export {
  type Agreement,
  type AgreementOptions,
  type AgreementScope,
  measureAgreement,
} from "../networks/attention-agreement.ts";
export * from "../networks/attention-audit.ts";
export { type AttentionBlock, findAttention } from "../networks/attention-blocks.ts";
export { type GammaOnnxOptions, gammaOnnx, gammaTokens } from "../networks/attention-onnx.ts";
