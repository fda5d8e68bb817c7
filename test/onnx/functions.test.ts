import { describe, expect, it } from "vitest";
import { BitbasisError } from "../../src/core/errors.ts";
import { isGraph } from "../../src/graph/index.ts";
import { readOnnx } from "../../src/onnx/index.ts";
import type { AttributeProto, FunctionProto, NodeProto } from "../../src/onnx/schema.ts";
import { processorTime } from "../support/processor-time.ts";
import { bodyProto, encode, functionProto, nodeProto, valueProto } from "./proto.ts";

/** A model of x [2] → y with functions. */
function model(functions: FunctionProto[], node: NodeProto[], output = ["y"]): Uint8Array {
  const graph = { node, input: [valueProto("x", [2])], output: output.map((name) => valueProto(name)) };
  return encode(graph, {
    ir_version: 10,
    opset_import: [
      { domain: "", version: 18 },
      { domain: "local", version: 1 },
    ],
    functions,
  });
}

function refused(bytes: Uint8Array): string {
  try {
    readOnnx(bytes);
  } catch (error) {
    if (error instanceof BitbasisError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "";
}

const attribute = (name: string, rest: Partial<AttributeProto>) =>
  ({ name, ref_attr_name: "", ...rest }) as AttributeProto;

describe("functions of the file", () => {
  it("are inlined, each call with names of its own", () => {
    const twice = functionProto(
      "twice",
      ["a"],
      ["b"],
      [nodeProto("Add", ["a", "a"], ["sum"]), nodeProto("Relu", ["sum"], ["b"], [], { name: "act" })],
    );
    const graph = readOnnx(
      model(
        [twice],
        [nodeProto("local/twice", ["x"], ["sum"], [], { name: "first" }), nodeProto("local/twice", ["sum"], ["y"])],
      ),
    );
    expect(graph.nodes.map(({ name, op, inputs, outputs }) => [name, op, inputs, outputs])).toEqual([
      ["first/Add", "Add", ["x", "x"], ["twice_0/sum"]],
      ["first/act", "Relu", ["twice_0/sum"], ["sum"]],
      ["twice/Add", "Add", ["sum", "sum"], ["twice_1/sum"]],
      ["twice/act", "Relu", ["twice_1/sum"], ["y"]],
    ]);
  });

  it("call each other, go before operators of the same name, and are told apart by their overload", () => {
    const relu = functionProto("Relu", ["a"], ["b"], [nodeProto("Neg", ["a"], ["b"])], { domain: "ai.onnx" });
    const other = functionProto("f", ["a"], ["b"], [nodeProto("Abs", ["a"], ["b"])], { overload: "abs" });
    const f = functionProto(
      "f",
      ["a"],
      ["b"],
      [nodeProto("Relu", ["a"], ["c"]), nodeProto("local/f", ["c"], ["b"], [], { overload: "abs" })],
    );
    const graph = readOnnx(model([f, relu, other], [nodeProto("local/f", ["x"], ["y"])]));
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Neg", "Abs"]);
    expect(graph.nodes[1]!.inputs).toEqual(graph.nodes[0]!.outputs);
  });

  it("take attributes of the call, defaults, and leave out what neither has", () => {
    const reference = (name: string, from: string, type: number) => attribute(name, { ref_attr_name: from, type });
    const f = functionProto(
      "f",
      ["a"],
      ["b"],
      [
        nodeProto("LeakyRelu", ["a"], ["c"], [reference("alpha", "slope", 1)]),
        nodeProto("Elu", ["c"], ["d"], [reference("alpha", "height", 1)]),
        nodeProto("Softmax", ["d"], ["b"], [reference("axis", "axis", 2)]),
      ],
      { attribute: ["slope", "axis"], attribute_proto: [attribute("height", { type: 1, f: 0.5 })] },
    );
    const graph = readOnnx(model([f], [nodeProto("local/f", ["x"], ["y"], [attribute("slope", { type: 1, f: 2 })])]));
    expect(graph.nodes.map(({ attributes }) => attributes)).toEqual([{ alpha: 2 }, { alpha: 0.5 }, {}]);
    expect(graph.nodes[0]!.kinds).toEqual({ alpha: "float" });
    const wrong = model([f], [nodeProto("local/f", ["x"], ["y"], [attribute("slope", { type: 2, i: 2 })])]);
    expect(refused(wrong)).toMatch(/^MODEL: function "local.f": attribute "slope" of node "" has another kind/);
  });

  it("have inputs and outputs that a call leaves out, and outputs that are inputs", () => {
    const f = functionProto(
      "f",
      ["a", "low", "high"],
      ["b", "again", "a"],
      [nodeProto("Clip", ["a", "low", "high"], ["b"]), nodeProto("Neg", ["b"], ["again"])],
    );
    const graph = readOnnx(model([f], [nodeProto("local/f", ["x"], ["y", "", "copy"])], ["y", "copy"]));
    expect(graph.nodes.map(({ op, inputs, outputs }) => [op, inputs, outputs])).toEqual([
      ["Clip", ["x", "", ""], ["y"]],
      ["Neg", ["y"], ["f_0/again"]],
      ["Identity", ["x"], ["copy"]],
    ]);
    expect(refused(model([f], [nodeProto("local/f", ["x", "x", "x", "x"], ["y"])]))).toContain(
      'calls function "local.f" with 4 inputs and 1 outputs; it has 3 and 3',
    );
  });

  it("are inlined in bodies, and have bodies that see their values", () => {
    const g = functionProto("g", ["a"], ["b"], [nodeProto("Neg", ["a"], ["b"])]);
    const f = functionProto(
      "f",
      ["test", "a"],
      ["b"],
      [
        nodeProto("Abs", ["a"], ["positive"]),
        nodeProto(
          "If",
          ["test"],
          ["b"],
          [
            bodyProto("then_branch", [nodeProto("local/g", ["positive"], ["out"])], ["out"]),
            bodyProto("else_branch", [nodeProto("Identity", ["a"], ["out"])], ["out"]),
          ],
        ),
      ],
    );
    const call = nodeProto(
      "If",
      ["always"],
      ["y"],
      [
        bodyProto("then_branch", [nodeProto("local/f", ["always", "x"], ["out"])], ["out"]),
        bodyProto("else_branch", [nodeProto("local/g", ["x"], ["out"])], ["out"]),
      ],
    );
    const graph = readOnnx(
      model([f, g], [nodeProto("Constant", [], ["always"], [attribute("value_int", { type: 2, i: 1 })]), call]),
    );
    const outer = graph.nodes[0]!.attributes["then_branch"]!;
    if (!isGraph(outer)) throw new Error("no graph");
    expect(outer.nodes.map(({ op }) => op)).toEqual(["Abs", "If"]);
    const inner = outer.nodes[1]!.attributes["then_branch"]!;
    if (!isGraph(inner)) throw new Error("no graph");
    expect(inner.nodes[0]).toMatchObject({ op: "Neg", inputs: outer.nodes[0]!.outputs });
    expect(inner.outputs[0]!.name).toBe(inner.nodes[0]!.outputs[0]);
    expect(inner.outputs[0]!.name).not.toBe("out");
  });

  it("import operator sets of their own", () => {
    const f = functionProto("f", ["a"], ["b"], [nodeProto("com.microsoft/Gelu", ["a"], ["b"])], {
      opset_import: [{ domain: "com.microsoft", version: 1 }],
    });
    expect(readOnnx(model([f], [nodeProto("local/f", ["x"], ["y"])])).opsets).toEqual({
      "": 18,
      local: 1,
      "com.microsoft": 1,
    });
  });

  it("may not call themselves, miss values or be there twice", () => {
    const f = functionProto("f", ["a"], ["b"], [nodeProto("local/g", ["a"], ["b"])]);
    const g = functionProto("g", ["a"], ["b"], [nodeProto("local/f", ["a"], ["b"])]);
    const call = [nodeProto("local/f", ["x"], ["y"])];
    expect(refused(model([f, g], call))).toBe('MODEL: functions call themselves: "local.f" → "local.g" → "local.f"');
    expect(refused(model([f, f], call))).toBe('MODEL: two functions are named "local.f"');
    const lost = functionProto("f", ["a"], ["b"], [nodeProto("Neg", ["x"], ["b"])]);
    expect(refused(model([lost], call))).toContain('reads "x", which nothing makes');
    const stray = nodeProto("Elu", ["x"], ["y"], [attribute("alpha", { ref_attr_name: "a", type: 1 })]);
    expect(refused(model([], [stray]))).toContain("refers to one of a function, but is in none");
  });

  it("are refused before they grow when each calls the next one twice", () => {
    const chain = Array.from({ length: 60 }, (_, i) =>
      functionProto(
        `f${i}`,
        ["a"],
        ["b"],
        [nodeProto(`local/f${i + 1}`, ["a"], ["c"]), nodeProto(`local/f${i + 1}`, ["c"], ["b"])],
      ),
    );
    const last = functionProto("f60", ["a"], ["b"], [nodeProto("Neg", ["a"], ["b"])]);
    const start = processorTime();
    expect(refused(model([...chain, last], [nodeProto("local/f0", ["x"], ["y"])]))).toContain(
      "are more than 50000 nodes",
    );
    expect(processorTime() - start).toBeLessThan(1000);
    const deep = Array.from({ length: 5000 }, (_, i) =>
      functionProto(`f${i}`, ["a"], ["b"], [nodeProto(`local/f${i + 1}`, ["a"], ["b"])]),
    );
    expect(refused(model(deep, [nodeProto("local/f0", ["x"], ["y"])]))).toContain("over more than 200 levels");
  });

  // Looked into from the last one on each function has few levels below it, and from the first one on few around it.
  it.each([
    ["from the first one on", [0]],
    ["from the last one on", [2, 1, 0]],
  ])("may have bodies that call functions with bodies to a bound: %s", (_, calls) => {
    const nested = (levels: number, call: NodeProto): NodeProto => {
      let node = call;
      for (let i = 0; i < levels; i++) {
        const body = bodyProto("then_branch", [{ ...node, output: ["o"] }], ["o"]);
        node = nodeProto("If", ["a"], ["b"], [body, bodyProto("else_branch", [], ["a"])]);
      }
      return node;
    };
    const functions = (levels: number) =>
      [0, 1, 2].map((i) => {
        const call = i === 2 ? nodeProto("Neg", ["a"], ["b"]) : nodeProto(`local/f${i + 1}`, ["a"], ["b"]);
        return functionProto(`f${i}`, ["a"], ["b"], [nested(levels, call)]);
      });
    const nodes = calls.map((f) => nodeProto(`local/f${f}`, ["x"], [f === 0 ? "y" : `y${f}`]));
    expect(refused(model(functions(33), nodes))).toBe("");
    expect(refused(model(functions(34), nodes))).toContain("over more than 100 levels");
  });
});
