import { expect, it } from "vitest";
import { Opcode } from "../../src/core/abi/opcode.ts";
import { chooseKernel, isKernel, KERNELS, type LinearWork } from "../../src/core/index.ts";

const chosen = (work: Partial<LinearWork>): string => {
  const base = { depthwise: false, weightBits: 16, activationBits: 8, exactInInt32: true };
  return KERNELS[chooseKernel({ ...base, ...work })];
};

it("chooses the narrowest panels that hold the weights", () => {
  expect(chosen({ weightBits: 8 })).toBe("gemm_i8_i16_4x8");
  expect(chosen({ weightBits: 9 })).toBe("gemm_i16_i16_4x8");
  expect(chosen({ weightBits: 8, activationBits: 16 })).toBe("gemm_i8_i16_4x8");
  expect(chosen({ weightBits: 8, exactInInt32: false })).toBe("gemm_i16_i16_4x8");
});

it("has kernels of their own for depthwise layers and float32", () => {
  expect(chosen({ depthwise: true, weightBits: 8 })).toBe("depthwise_i16_i16_3x8");
  expect(chosen({ activationBits: 0 })).toBe("gemm_f32_4x8");
  expect(chosen({ activationBits: 0, depthwise: true })).toBe("depthwise_f32_4x8");
});

it("knows linear steps", () => {
  expect(isKernel(Opcode.ConvI8)).toBe(true);
  expect(isKernel(Opcode.Quantize)).toBe(false);
});
