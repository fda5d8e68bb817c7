/**
 * The version of the arithmetic: raised whenever a bit of any output of any program changes. Releases of the same version verify each other's
 * receipts; `test/receipt/numerics.test.ts` freezes digests of it.
 */
export const NUMERICS = 6;
