/**
 * `bitbasis/receipt`: what a run was, for anyone to run again and compare.
 *
 * @module
 */
export {
  type Difference,
  type Feeds,
  NUMERICS,
  type Outputs,
  parseReceipt,
  type Receipt,
  receipt,
  receiptText,
  type Verification,
  type VerifyOptions,
  type VerifySource,
  verify,
} from "../receipt/index.ts";
