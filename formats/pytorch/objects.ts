/**
 * What PyTorch's pickles hold: storages, tensors that are views of them, and plain containers.
 *
 * @module
 */
import { InputError, quote } from "../../base/errors.ts";
import { elementSizes, type StoredType } from "../tensors/codec.ts";
import { type Constructor, PickleName, PickleObject, type PickleValue } from "./pickle.ts";

/** Types of elements by the storages that hold them. */
export const storageTypes: ReadonlyMap<string, StoredType> = new Map([
  ["torch.FloatStorage", "F32"],
  ["torch.DoubleStorage", "F64"],
  ["torch.HalfStorage", "F16"],
  ["torch.BFloat16Storage", "BF16"],
  ["torch.LongStorage", "I64"],
  ["torch.IntStorage", "I32"],
  ["torch.ShortStorage", "I16"],
  ["torch.CharStorage", "I8"],
  ["torch.ByteStorage", "U8"],
  ["torch.BoolStorage", "BOOL"],
]);

/** Names that stand for themselves: types of elements, and what state dicts have beside tensors. */
export const isPlainName = (name: string): boolean =>
  storageTypes.has(name) ||
  /^torch\.(?:float|double|half|bfloat|int|long|short|uint|bool)\d*$/.test(name);

/** A run of elements of one type somewhere in the file. */
export class Storage extends PickleObject {
  /**
   * @param key by which the file knows it
   * @param first the first element, where this is a part of a larger one
   */
  constructor(
    readonly key: string,
    readonly type: StoredType,
    readonly elements: number,
    readonly first = 0,
  ) {
    super();
  }
}

/** A view of a storage. */
export class StoredTensor extends PickleObject {
  /**
   * @param offset elements before its first one
   * @param strides elements from one index of an axis to the next
   */
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    super();
  }

  /** Elements. */
  get elementCount(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** Elements of the storage from the first to the last that belongs to the tensor. */
  get span(): number {
    if (this.elementCount === 0) return 0;
    return this.shape.reduce((last, size, axis) => last + (size - 1) * this.strides[axis], 1);
  }

  /** Whether its elements lie one behind the other, row-major. */
  get isContiguous(): boolean {
    let expected = 1;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      if (this.shape[axis] !== 1 && this.strides[axis] !== expected) return false;
      expected *= this.shape[axis];
    }
    return true;
  }
}

/** An object with attributes, such as the arguments of a program. */
export class Attributes extends PickleObject {
  readonly values = new Map<PickleValue, PickleValue>();

  override setState(state: PickleValue): void {
    if (!(state instanceof Map)) return;
    for (const [name, value] of state) this.values.set(name, value);
  }
}

const isCount = (value: PickleValue): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** PyTorch itself allows no more axes. */
const mostAxes = 64;

const isCounts = (value: PickleValue): value is number[] =>
  Array.isArray(value) && value.length <= mostAxes && value.every(isCount);

/**
 * The storage that a pickle refers to by ("storage", type, key, place, elements) and, where it is part
 * of another, (key of the part, first element, elements).
 */
export function storageOf(path: string, id: PickleValue): Storage {
  const [kind, type, key, , elements, part] = Array.isArray(id) ? id : [];
  const element = type instanceof PickleName ? storageTypes.get(type.name) : undefined;
  const [, first, length] = Array.isArray(part) ? part : [null, 0, elements];
  const isReference = kind === "storage" && type instanceof PickleName &&
    typeof key === "string" && isCount(first) && isCount(length);
  if (!isReference) {
    throw new InputError(`${path}: damaged PyTorch file: a reference to what is no storage`);
  }
  if (element === undefined) {
    throw new InputError(`${path}: storages of the type ${quote(type.name)} cannot be read`);
  }
  return new Storage(key, element, length, first);
}

/** A tensor; refuses one that reaches beyond its storage. */
function tensorOf(
  path: string,
  storage: PickleValue,
  offset: PickleValue,
  shape: PickleValue,
  strides: PickleValue,
): StoredTensor {
  const isView = storage instanceof Storage && isCount(offset) && isCounts(shape) &&
    isCounts(strides) && shape.length === strides.length;
  if (!isView) throw new InputError(`${path}: damaged PyTorch file: a tensor without a storage`);
  const tensor = new StoredTensor(storage, offset, shape, strides);
  // A view may repeat elements, but not so many times that a small file fills the memory.
  const isPossible = tensor.elementCount <= 64 * Math.max(storage.elements, 1024) &&
    (tensor.span === 0 || offset + tensor.span <= storage.elements);
  if (!isPossible) {
    throw new InputError(
      `${path}: damaged PyTorch file: a tensor of the shape (${shape}) in a storage of ` +
        `${storage.elements} elements`,
    );
  }
  return tensor;
}

/** What pickles of PyTorch may call, by module and name; everything only puts values together. */
export function torchConstructors(path: string): ReadonlyMap<string, Constructor> {
  const tensor: Constructor = (storage, offset, shape, strides) =>
    tensorOf(path, storage, offset, shape, strides);
  const dict: Constructor = (items) =>
    new Map((Array.isArray(items) ? items : []).map((item) => {
      const [key, value] = Array.isArray(item) ? item : [];
      return [key ?? null, value ?? null];
    }));
  const list: Constructor = (items) => Array.isArray(items) ? items : [];
  return new Map<string, Constructor>([
    ["torch._utils._rebuild_tensor", tensor],
    ["torch._utils._rebuild_tensor_v2", tensor],
    ["torch._utils._rebuild_parameter", (data) => data],
    ["torch._utils._rebuild_parameter_with_state", (data) => data],
    ["torch.Size", list],
    ["collections.OrderedDict", dict],
    ["collections.defaultdict", () => new Map()],
    ["builtins.dict", dict],
    ["builtins.list", list],
    ["builtins.set", list],
    ["__builtin__.set", list],
    ["argparse.Namespace", () => new Attributes()],
  ]);
}

/** Bytes that a storage takes. */
export const storageBytes = ({ elements, type }: Storage): number => elements * elementSizes[type];
