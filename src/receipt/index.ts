export type { Difference } from "./difference.ts";
export { NUMERICS } from "./numerics.ts";
export { parseReceipt } from "./parse.ts";
export { type Receipt, receipt, receiptText } from "./receipt.ts";
export type { Feeds, Outputs } from "./values.ts";
export { openReceipt, runAgain, type Verification, type VerifyOptions, type VerifySource, verify } from "./verify.ts";
