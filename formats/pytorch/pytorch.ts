/**
 * Reading tensors from files of PyTorch (`.pt`, `.pth`, `.ckpt`, `.bin`): zip archives, and the form
 * before version 1.6. No code is run: see `pickle.ts`.
 *
 * @module
 */
import { InputError, quote } from "../../base/errors.ts";
import { RangeFile } from "../files/range_file.ts";
import { elementSizes } from "../tensors/codec.ts";
import { StoredTensors, type TensorInfo, type TensorReader } from "../tensors/tensor_reader.ts";
import { dataStart, readZipDirectory, type ZipEntry } from "../tensors/zip.ts";
import { ByteReader } from "./byte_reader.ts";
import {
  Attributes,
  isPlainName,
  type Storage,
  storageBytes,
  storageOf,
  StoredTensor,
  torchConstructors,
} from "./objects.ts";
import { PickleName, type PickleValue, readPickle } from "./pickle.ts";

/** What is in a file: an object, and where each of its storages starts. */
interface Contents {
  readonly object: PickleValue;
  /** The first byte of a storage. */
  start(storage: Storage): number;
}

/** Tensors of one file of PyTorch. */
class PyTorchFile extends StoredTensors {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;

  readonly #file: RangeFile;
  readonly #stored: ReadonlyMap<string, StoredTensor>;
  /** The tensor read last whose elements do not lie one behind the other, put in order. */
  #ordered: { readonly name: string; readonly bytes: Uint8Array } | undefined;

  constructor(file: RangeFile, { object, start }: Contents) {
    super();
    this.#file = file;
    this.path = file.path;
    const { tensors, metadata } = listTensors(file.path, object);
    this.#stored = tensors;
    this.metadata = metadata;
    this.tensors = new Map(
      tensors.entries().map(([name, tensor]) => [name, describe(name, tensor, start)]),
    );
  }

  protected override readPart(info: TensorInfo, start: number, out: Uint8Array): void {
    const tensor = this.#stored.get(info.name)!;
    if (tensor.isContiguous) return this.#file.readInto(info.offset + start, out);
    if (this.#ordered?.name !== info.name) {
      const span = this.#file.read(info.offset, tensor.span * elementSizes[info.type]);
      this.#ordered = { name: info.name, bytes: inOrder(tensor, span) };
    }
    out.set(this.#ordered.bytes.subarray(start, start + out.length));
  }

  /** Does nothing: nobody has written down what the file should hold. */
  override checkContents(): void {}

  override close(): void {
    this.#file.close();
  }
}

function describe(
  name: string,
  tensor: StoredTensor,
  start: (storage: Storage) => number,
): TensorInfo {
  const { storage: { type, first }, storage, elementCount, shape } = tensor;
  const size = elementSizes[type];
  const offset = start(storage) + (first + tensor.offset) * size;
  return { name, type, shape, elementCount, byteLength: elementCount * size, offset };
}

/** The elements of a tensor row-major, from the bytes between its first and its last. */
function inOrder(
  { storage: { type }, shape, strides, elementCount }: StoredTensor,
  span: Uint8Array,
) {
  const size = elementSizes[type];
  const out = new Uint8Array(elementCount * size);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to += size) {
    out.set(span.subarray(from * size, (from + 1) * size), to);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

/** Most names a container's name is made of: what nests deeper is no checkpoint. */
const deepest = 32;

/** Most entries and characters of free text that are kept. */
const mostMetadata = 200;
const longestText = 500;

/** All tensors by the names under which they lie, joined by points, and plain values as free text. */
function listTensors(path: string, object: PickleValue) {
  const tensors = new Map<string, StoredTensor>();
  const metadata: Record<string, string> = {};
  // Each container is listed once, so that one which holds itself, or many times another, ends.
  const seen = new Set<unknown>();
  const visit = (value: PickleValue, names: readonly string[]): void => {
    const name = names.join(".");
    if (value instanceof StoredTensor) {
      if (tensors.has(name)) throw new InputError(`${path}: has two tensors ${quote(name)}`);
      tensors.set(name, value);
    } else if (typeof value === "object" && value !== null) {
      if (seen.has(value) || names.length > deepest) return;
      seen.add(value);
      for (const [key, child] of childrenOf(path, value)) visit(child, [...names, key]);
    } else if (names.length <= 2 && Object.keys(metadata).length < mostMetadata) {
      metadata[name] = String(value).slice(0, longestText);
    }
  };
  visit(object, []);
  if (tensors.size === 0) throw new InputError(`${path}: a PyTorch file without tensors`);
  return { tensors, metadata };
}

function childrenOf(path: string, value: PickleValue): [string, PickleValue][] {
  if (Array.isArray(value)) return value.map((child, index) => [String(index), child]);
  const items = value instanceof Attributes ? value.values : value;
  if (!(items instanceof Map)) return [];
  return [...items].map(([key, child]) => [keyName(path, key), child]);
}

/** A key as a part of a name. Containers are none: their text can be longer than memory. */
function keyName(path: string, key: PickleValue): string {
  if (typeof key !== "object" || key === null) return String(key);
  if (key instanceof PickleName) return key.name;
  throw new InputError(`${path}: a dict with a container as a key cannot be read`);
}

/** The archive's own folder: the one that holds the pickle. */
function rootOf(path: string, entries: readonly ZipEntry[]): string {
  const pickle = entries.find(({ name }) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  if (!pickle) throw new InputError(`${path}: a zip archive without data.pkl, no PyTorch file`);
  const root = pickle.name.slice(0, -"data.pkl".length);
  if (entries.some(({ name }) => name.startsWith(`${root}code/`))) {
    throw new InputError(
      `${path}: a TorchScript program, not weights; in Python: ` +
        "torch.save(torch.jit.load(...).state_dict(), ...)",
    );
  }
  return root;
}

/** The form since version 1.6: a zip archive with the pickle and a file for each storage. */
function readArchive(file: RangeFile): Contents {
  const entries = readZipDirectory(file);
  const root = rootOf(file.path, entries);
  const entryOf = new Map(entries.map((entry) => [entry.name, entry]));
  const range = (name: string): ByteReader => {
    const entry = entryOf.get(`${root}${name}`);
    if (!entry) throw new InputError(`${file.path}: damaged PyTorch file: ${name} is missing`);
    if (entry.isDeflated) {
      throw new InputError(`${file.path}: ${name} is compressed, which PyTorch does not do`);
    }
    const start = dataStart(file, entry);
    file.requireRange(start, entry.size);
    return new ByteReader(file, start, start + entry.size);
  };
  requireLittleEndian(file, entryOf.has(`${root}byteorder`) ? range("byteorder") : undefined);
  const object = readPickle(range("data.pkl"), {
    constructors: torchConstructors(file.path),
    isName: isPlainName,
    persistent: (id) => storageOf(file.path, id),
  });
  const start = (storage: Storage): number => {
    const { position, end } = range(`data/${storage.key}`);
    requireLength(file, storage, end - position);
    return position;
  };
  return { object, start };
}

function requireLittleEndian(file: RangeFile, order: ByteReader | undefined): void {
  if (order === undefined) return;
  const text = new TextDecoder().decode(order.bytes(Math.min(order.end - order.position, 16)));
  if (text !== "little") {
    throw new InputError(`${file.path}: byte order ${quote(text)}; "little" can be read`);
  }
}

function requireLength(file: RangeFile, storage: Storage, length: number): void {
  const needed = storageBytes(storage) + storage.first * elementSizes[storage.type];
  if (needed <= length) return;
  throw new InputError(
    `${file.path}: damaged PyTorch file: the storage ${storage.key} has ${length} bytes, ` +
      `${needed} are needed`,
  );
}

/** How the form before version 1.6 starts, as a number of a pickle of its own. */
const legacyMagic = 0x1950a86a20f9469cfc6cn;

/** The form before version 1.6: pickles one behind the other, then the storages. */
function readLegacy(file: RangeFile): Contents {
  const bytes = new ByteReader(file, 0, file.size);
  const storages = new Map<string, Storage>();
  const world = {
    constructors: torchConstructors(file.path),
    isName: isPlainName,
    persistent: (id: PickleValue) => {
      const storage = storageOf(file.path, id);
      storages.set(storage.key, storage);
      return storage;
    },
  };
  const magic = readPickle(bytes, world);
  if (magic !== legacyMagic) {
    throw new InputError(`${file.path}: a pickle of another program than PyTorch`);
  }
  readPickle(bytes, world); // the protocol's version
  readPickle(bytes, world); // sizes of integers on the machine that wrote it
  const object = readPickle(bytes, world);
  const keys = readPickle(bytes, world);
  const starts = new Map<string, number>();
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = typeof key === "string" ? storages.get(key) : undefined;
    if (!storage) throw bytes.problem("a storage that no tensor has");
    const elements = bytes.unsigned(8);
    starts.set(storage.key, bytes.position);
    bytes.advance(elements * elementSizes[storage.type]);
  }
  const start = (storage: Storage): number => {
    const position = starts.get(storage.key);
    if (position === undefined) throw bytes.problem(`the storage ${storage.key} is missing`);
    requireLength(file, storage, file.size - position);
    return position;
  };
  return { object, start };
}

/**
 * Opens a file of PyTorch; tensors have the names under which they lie, joined by points:
 * `ema.blocks.0.attn.qkv.weight`.
 *
 * @throws {InputError} one line that names the file and what is wrong, or what is neither a tensor nor
 * a plain container
 */
export async function openPyTorch(path: string): Promise<TensorReader> {
  const file = await RangeFile.open(path);
  try {
    const isArchive = file.size > 4 && file.read(0, 2).join() === "80,75";
    return new PyTorchFile(file, isArchive ? readArchive(file) : readLegacy(file));
  } catch (error) {
    file.close();
    throw error;
  }
}
