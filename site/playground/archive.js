// Archives of files, uncompressed (ustar): one download for what belongs together, and back. Tested by
// tests/playground/archive.test.mjs.

const block = 512;

/** Bytes by path, as the parts of an archive. */
export function archive(files) {
  const parts = [];
  const encoder = new TextEncoder();
  for (const [path, bytes] of Object.entries(files)) {
    const header = new Uint8Array(block);
    const put = (at, text) => header.set(encoder.encode(text), at);
    const octal = (value, digits) => `${value.toString(8).padStart(digits, '0')}\0`;
    put(0, path);
    put(100, octal(0o644, 7));
    put(108, octal(0, 7));
    put(116, octal(0, 7));
    put(124, octal(bytes.length, 11));
    put(136, octal(0, 11));
    put(148, '        ');
    put(156, '0');
    put(257, 'ustar\0' + '00');
    put(148, `${octal(header.reduce((sum, byte) => sum + byte, 0), 6)} `);
    parts.push(header, bytes, new Uint8Array((block - (bytes.length % block)) % block));
  }
  parts.push(new Uint8Array(2 * block));
  return parts;
}

/** The files of an archive, bytes by path; `name` is the archive's, for messages. */
export function unarchive(bytes, name) {
  const files = {};
  const text = (at, size) => {
    const end = bytes.subarray(at, at + size).indexOf(0);
    return new TextDecoder().decode(bytes.subarray(at, at + (end < 0 ? size : end)));
  };
  let at = 0;
  for (; at + block <= bytes.length && bytes[at] !== 0;) {
    const size = parseInt(text(at + 124, 12).trim(), 8);
    if (text(at + 257, 5) !== 'ustar' || !Number.isSafeInteger(size)) throw new Error(`${name}: expected a tar archive, got something else`);
    if (at + block + size > bytes.length) throw new Error(`${name}: expected a whole tar archive, got one that ends within ${text(at, 100)}`);
    if (bytes[at + 156] === 0x30 || bytes[at + 156] === 0) files[text(at, 100)] = bytes.slice(at + block, at + block + size);
    at += block + Math.ceil(size / block) * block;
  }
  if (at === 0) throw new Error(`${name}: expected a tar archive, got something else`);
  return files;
}
