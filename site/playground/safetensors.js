// Reading safetensors: what krohn writes of a run and of a compiled model. Tested by tests/playground/tables.test.mjs.

const readers = {
  F32: [4, (view, at) => view.getFloat32(at, true)],
  U32: [4, (view, at) => view.getUint32(at, true)],
  I32: [4, (view, at) => view.getInt32(at, true)],
  I64: [8, (view, at) => Number(view.getBigInt64(at, true))],
  BOOL: [1, (view, at) => view.getUint8(at) !== 0],
};

/** @returns {{metadata: Record<string, string>, tensors: Record<string, {shape: number[], values: (number|boolean)[]}>}} */
export function readSafetensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  const metadata = header.__metadata__ ?? {};
  delete header.__metadata__;
  const tensors = {};
  for (const [name, {dtype, shape, data_offsets: [begin, end]}] of Object.entries(header)) {
    const reader = readers[dtype];
    if (reader === undefined) throw new Error(`${name}: expected one of ${Object.keys(readers).join(', ')}, got ${dtype}`);
    const [width, read] = reader;
    const values = [];
    for (let at = 8 + size + begin; at < 8 + size + end; at += width) values.push(read(view, at));
    tensors[name] = {shape, values};
  }
  return {metadata, tensors};
}
