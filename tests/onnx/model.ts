/**
 * ONNX's messages, as far as the backend cases need them. Source: onnx/onnx.proto.
 *
 * @module
 */
import type { DType } from "../../mod.ts";
import { Message, ProtobufError } from "./protobuf.ts";

/** Thrown for what a file may say and this importer does not take, with the reason. */
export class UnsupportedError extends Error {
  /** The class name, kept under minification. */
  override readonly name = "UnsupportedError";
}

/** A tensor as stored: its values as numbers, and the type that holds them here. */
export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** ONNX's number of the element type in the file. */
  readonly elementType: number;
  readonly values: Float64Array;
}

/** What an input or output is. */
export type Kind = "tensor" | "sequence" | "optional tensor" | "optional sequence";

/** A graph's input or output. */
export interface ValueInfo {
  readonly name: string;
  readonly kind: Kind;
  /** ONNX's number of a tensor's element type; 0 where none is said. */
  readonly elementType: number;
}

/** An attribute's value. */
export type Attribute = number | string | StoredTensor | Graph | readonly number[] | readonly string[];

/** One operator of a graph. */
export interface Node {
  readonly operator: string;
  readonly domain: string;
  /** "" where an optional input is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

/** Operators in topological order. */
export interface Graph {
  readonly nodes: readonly Node[];
  readonly initializers: readonly StoredTensor[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

/** A graph and the version of the operators that it uses. */
export interface Model {
  readonly graph: Graph;
  readonly opset: number;
}

const empty = new Message(new Uint8Array());

/**
 * Reads a model.onnx.
 *
 * @throws ProtobufError for bytes that are no model; UnsupportedError for a model that asks for what is not here.
 */
export function readModel(bytes: Uint8Array): Model {
  const message = new Message(bytes);
  const graph = message.message(7);
  if (graph === undefined) throw new ProtobufError("Cannot read a model: a graph is needed, got none");
  const opset = message.messages(8).find((set) => ["", "ai.onnx"].includes(set.string(1)))?.integer(2);
  return { graph: graphOf(graph), opset: opset ?? 1 };
}

function graphOf(message: Message): Graph {
  return {
    nodes: message.messages(1).map(nodeOf),
    initializers: message.messages(5).map(tensorOf),
    inputs: message.messages(11).map(valueInfoOf),
    outputs: message.messages(12).map(valueInfoOf),
  };
}

function nodeOf(message: Message): Node {
  return {
    operator: message.string(4),
    domain: message.string(7),
    inputs: message.strings(1),
    outputs: message.strings(2),
    attributes: new Map(message.messages(5).map((attribute) => [attribute.string(1), attributeOf(attribute)])),
  };
}

/** AttributeProto's types: FLOAT 1, INT 2, STRING 3, TENSOR 4, GRAPH 5, FLOATS 6, INTS 7, STRINGS 8, TYPE_PROTO 13. */
function attributeOf(message: Message): Attribute {
  switch (message.integer(20)) {
    case 1:
      return message.floats(2).at(-1) ?? 0;
    case 2:
      return message.integer(3);
    case 3:
      return message.string(4);
    case 4:
      return tensorOf(message.message(5) ?? empty);
    case 5:
      return graphOf(message.message(6) ?? empty);
    case 6:
      return message.floats(7);
    case 7:
      return message.integers(8).map(Number);
    case 8:
      return message.strings(9);
    case 13:
      return kindOf(message.message(14));
    default:
      return unsupported(`attribute type ${message.integer(20)}`);
  }
}

function valueInfoOf(message: Message): ValueInfo {
  const type = message.message(2);
  return { name: message.string(1), kind: kindOf(type), elementType: type?.message(1)?.integer(1) ?? 0 };
}

function kindOf(type: Message | undefined): Kind {
  const optional = type?.message(9)?.message(1);
  const kind = (optional ?? type)?.has(4) ? "sequence" : "tensor";
  return optional === undefined ? kind : `optional ${kind}`;
}

/**
 * Reads an input_*.pb or output_*.pb of the given kind; null is an optional without a value.
 *
 * @throws ProtobufError for bytes that are no such value; UnsupportedError for one whose type no tensor here holds.
 */
export function readValue(bytes: Uint8Array, kind: Kind): StoredTensor | StoredTensor[] | null {
  const message = new Message(bytes);
  switch (kind) {
    case "tensor":
      return tensorOf(message);
    case "sequence":
      return sequenceOf(message);
    case "optional tensor": {
      const value = message.message(3);
      return value === undefined ? null : tensorOf(value);
    }
    case "optional sequence": {
      const value = message.message(5);
      return value === undefined ? null : sequenceOf(value);
    }
  }
}

function sequenceOf(message: Message): StoredTensor[] {
  return message.messages(3).map(tensorOf);
}

/**
 * The element types of ONNX by number, and the type that holds their values here. Whole numbers of 8 and 16 bits do not wrap around as
 * they would there, and those of 64 bits are refused where 32 do not hold them.
 */
const elementTypes: Readonly<Record<number, { readonly name: string; readonly dtype?: DType }>> = {
  1: { name: "float", dtype: "float32" },
  2: { name: "uint8", dtype: "int32" },
  3: { name: "int8", dtype: "int32" },
  4: { name: "uint16", dtype: "int32" },
  5: { name: "int16", dtype: "int32" },
  6: { name: "int32", dtype: "int32" },
  7: { name: "int64", dtype: "int32" },
  8: { name: "string" },
  9: { name: "bool", dtype: "bool" },
  10: { name: "float16", dtype: "float16" },
  11: { name: "double", dtype: "float64" },
  12: { name: "uint32", dtype: "uint32" },
  13: { name: "uint64", dtype: "uint32" },
  14: { name: "complex64" },
  15: { name: "complex128" },
  16: { name: "bfloat16" },
};

/** The type that holds an ONNX element type's values here. */
export function dtypeOf(elementType: number): DType {
  const type = elementTypes[elementType];
  return type?.dtype ?? unsupported(`element type ${type?.name ?? elementType}`);
}

function tensorOf(message: Message): StoredTensor {
  const shape = message.integers(1).map(Number);
  const elementType = message.integer(2);
  const dtype = dtypeOf(elementType);
  if (message.integer(14) !== 0) unsupported("data outside the file");
  const values = message.has(9) ? rawValues(message.bytes(9).at(-1)!, elementType) : typedValues(message, elementType);
  const size = shape.reduce((a, b) => a * b, 1);
  if (shape.some((n) => n < 0)) throw new ProtobufError(`Cannot read a tensor [${shape}]: sizes from 0 are needed`);
  if (values.length !== size) throw new ProtobufError(`Cannot read a tensor [${shape}]: ${size} values are needed, got ${values.length}`);
  checkRange(values, dtype);
  return { name: message.string(8), shape, dtype, elementType, values };
}

function typedValues(message: Message, elementType: number): Float64Array {
  switch (elementType) {
    case 1:
      return Float64Array.from(message.floats(4));
    case 7:
      return numbers(message.integers(7));
    case 11:
      return Float64Array.from(message.doubles(10));
    case 12:
    case 13:
      return numbers(message.integers(11).map((value) => BigInt.asUintN(64, value)));
    case 10: {
      const bits = Uint16Array.from(message.integers(5), Number);
      return Float64Array.from(new Float16Array(bits.buffer));
    }
    default:
      return numbers(message.integers(5));
  }
}

function rawValues(bytes: Uint8Array, elementType: number): Float64Array {
  // A copy: the bytes inside the file lie anywhere, typed arrays need multiples of their element.
  const { buffer } = bytes.slice();
  try {
    switch (elementType) {
      case 1:
        return Float64Array.from(new Float32Array(buffer));
      case 2:
      case 9:
        return Float64Array.from(new Uint8Array(buffer));
      case 3:
        return Float64Array.from(new Int8Array(buffer));
      case 4:
        return Float64Array.from(new Uint16Array(buffer));
      case 5:
        return Float64Array.from(new Int16Array(buffer));
      case 6:
        return Float64Array.from(new Int32Array(buffer));
      case 7:
        return numbers(new BigInt64Array(buffer));
      case 10:
        return Float64Array.from(new Float16Array(buffer));
      case 11:
        return new Float64Array(buffer);
      case 12:
        return Float64Array.from(new Uint32Array(buffer));
      case 13:
        return numbers(new BigUint64Array(buffer));
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ProtobufError(`Cannot read a tensor: whole elements are needed, got ${bytes.length} bytes`);
  }
  return unsupported(`raw data of element type ${elementType}`);
}

function numbers(values: ArrayLike<bigint>): Float64Array {
  return Float64Array.from({ length: values.length }, (_, i) => Number(values[i]));
}

function checkRange(values: Float64Array, dtype: DType): void {
  if (dtype !== "int32" && dtype !== "uint32") return;
  const [low, high] = dtype === "int32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  for (const value of values) if (value < low || value > high) unsupported(`a 64-bit value outside 32 bits: ${value}`);
}

function unsupported(what: string): never {
  throw new UnsupportedError(`Cannot import ${what}: no type or feature here holds it`);
}
