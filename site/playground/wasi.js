// The system under krohn.wasm: WASI's preview 1 over files in memory. One call of `runProgram` is one run of the program,
// as a shell would start it: arguments, standard input and files go in, the exit code, what was printed and the files
// that were written come out. Nothing is shared between runs. Works in browsers, their workers and node.
//
// What is not there: links, sockets, sleeping (returns at once), file times (all 0). Tested by tests/playground/wasi.test.mjs.

const errno = {badf: 8, exist: 20, fault: 21, inval: 28, isdir: 31, noent: 44, nosys: 52, notdir: 54, notempty: 55, spipe: 70};
const filetype = {character: 2, directory: 3, regular: 4};
const oflags = {creat: 1, directory: 2, excl: 4, trunc: 8};

/** Exit codes of krohn that this file gives by itself. */
export const exitCode = {resource: 3, internal: 4};

class ProgramExit extends Error {
  constructor(code) {
    super(`exit ${code}`);
    this.code = code;
  }
}

class Failure extends Error {
  constructor(number) {
    super(`errno ${number}`);
    this.number = number;
  }
}

/** A file's bytes, with room to grow. */
class File {
  constructor(bytes) {
    this.room = bytes;
    this.size = bytes.length;
    this.id = 0n;
  }

  bytes() {
    return this.room.subarray(0, this.size);
  }

  resize(size) {
    if (size > this.room.length) {
      const room = new Uint8Array(Math.max(size, 2 * this.room.length, 256));
      room.set(this.bytes());
      this.room = room;
    }
    if (size > this.size) this.room.fill(0, this.size, size);
    this.size = size;
  }

  write(at, bytes) {
    if (at + bytes.length > this.size) this.resize(at + bytes.length);
    this.room.set(bytes, at);
  }
}

/** A tree of directories (Map from name to Map or File). Paths are absolute or relative to the root, with /. */
export class FileTree {
  /** @param {Record<string, Uint8Array>} files bytes by path; directories on the way are made. The bytes are copied when written to. */
  constructor(files = {}) {
    this.root = new Map();
    for (const [path, bytes] of Object.entries(files)) {
      const names = FileTree.names(path);
      let directory = this.root;
      for (const name of names.slice(0, -1)) {
        if (!directory.has(name)) directory.set(name, new Map());
        directory = directory.get(name);
        if (!(directory instanceof Map)) throw new Error(`${path}: ${name} is a file`);
      }
      directory.set(names.at(-1), new File(bytes.slice()));
    }
  }

  static names(path) {
    const names = [];
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue;
      if (name === '..') names.pop();
      else names.push(name);
    }
    return names;
  }

  /** The entry, or undefined. */
  find(path) {
    let at = this.root;
    for (const name of FileTree.names(path)) {
      if (!(at instanceof Map)) return undefined;
      at = at.get(name);
      if (at === undefined) return undefined;
    }
    return at;
  }

  /** The directory that holds the path, and its last name. */
  place(path) {
    const names = FileTree.names(path);
    if (names.length === 0) throw new Failure(errno.exist);
    const directory = this.find(names.slice(0, -1).join('/'));
    if (directory === undefined) throw new Failure(errno.noent);
    if (!(directory instanceof Map)) throw new Failure(errno.notdir);
    return [directory, names.at(-1)];
  }

  /** All files below a path, or the file itself, as bytes by path. */
  files(path = '') {
    const found = {};
    const walk = (entry, at) => {
      if (entry instanceof File) found[at] = entry.bytes().slice();
      else if (entry !== undefined) for (const [name, inner] of entry) walk(inner, at === '' ? name : `${at}/${name}`);
    };
    walk(this.find(path), FileTree.names(path).join('/'));
    return found;
  }
}

/** The calls, for one run; exported for their test. */
export class System {
  constructor({args, stdin, tree, terminal, interrupted, onError, onOutput}) {
    this.args = args.map((text) => new TextEncoder().encode(`${text}\0`));
    this.tree = tree;
    this.onOutput = onOutput;
    this.onError = onError;
    this.interrupted = interrupted;
    this.nextId = 1n;
    this.open = new Map([
      [0, {file: new File(stdin), at: 0, kind: filetype.regular}],
      [1, {sink: onOutput, kind: filetype.regular}],
      [2, {sink: onError, kind: terminal ? filetype.character : filetype.regular}],
      [3, {directory: tree.root, path: '', kind: filetype.directory}],
    ]);
  }

  /** The program's exports: its memory, and where it can be interrupted, `interrupt`. */
  attach({memory, interrupt}) {
    this.memory = memory;
    this.interrupt = interrupt;
  }

  /** A program that computes looks nowhere but on the clock: there it is told, once, what a signal would tell it. */
  passInterrupt() {
    if (this.interrupt === undefined || !this.interrupted()) return;
    const {interrupt} = this;
    this.interrupt = undefined;
    interrupt();
  }

  // The memory's buffer is another one after it grew.
  view() {
    return new DataView(this.memory.buffer);
  }

  bytes(at, size) {
    return new Uint8Array(this.memory.buffer, at, size);
  }

  text(at, size) {
    return new TextDecoder().decode(this.bytes(at, size));
  }

  descriptor(fd) {
    const found = this.open.get(fd);
    if (found === undefined) throw new Failure(errno.badf);
    return found;
  }

  fileOf(fd) {
    const found = this.descriptor(fd);
    if (found.file === undefined) throw new Failure(found.directory ? errno.isdir : errno.spipe);
    return found;
  }

  path(fd, at, size) {
    const found = this.descriptor(fd);
    if (found.directory === undefined) throw new Failure(errno.notdir);
    const path = this.text(at, size);
    return path.startsWith('/') ? path : `${found.path}/${path}`;
  }

  vectors(at, count) {
    const view = this.view();
    const parts = [];
    for (let i = 0; i < count; ++i) parts.push(this.bytes(view.getUint32(at + 8 * i, true), view.getUint32(at + 8 * i + 4, true)));
    return parts;
  }

  writeStat(at, entry, kind) {
    const view = this.view();
    this.bytes(at, 64).fill(0);
    if (entry !== undefined) {
      if (!entry.id) entry.id = this.nextId++;
      view.setBigUint64(at + 8, entry.id, true);
    }
    view.setUint8(at + 16, kind);
    view.setBigUint64(at + 24, 1n, true);
    view.setBigUint64(at + 32, BigInt(entry instanceof File ? entry.size : 0), true);
  }

  read(file, from, vectors) {
    let at = from;
    for (const part of vectors) {
      const rest = file.bytes().subarray(at, at + part.length);
      part.set(rest);
      at += rest.length;
      if (rest.length < part.length) break;
    }
    return at - from;
  }

  imports() {
    const calls = {
      args_sizes_get: (count, size) => {
        this.view().setUint32(count, this.args.length, true);
        this.view().setUint32(size, this.args.reduce((sum, arg) => sum + arg.length, 0), true);
      },
      args_get: (pointers, buffer) => {
        for (const [i, arg] of this.args.entries()) {
          this.view().setUint32(pointers + 4 * i, buffer, true);
          this.bytes(buffer, arg.length).set(arg);
          buffer += arg.length;
        }
      },
      environ_sizes_get: (count, size) => {
        this.view().setUint32(count, 0, true);
        this.view().setUint32(size, 0, true);
      },
      environ_get: () => {},
      clock_res_get: (id, at) => this.view().setBigUint64(at, 1000n, true),
      clock_time_get: (id, precision, at) => {
        this.passInterrupt();
        const milliseconds = id === 0 ? Date.now() : performance.now();
        this.view().setBigUint64(at, BigInt(Math.round(milliseconds * 1000)) * 1000n, true);
      },
      random_get: (at, size) => {
        for (let done = 0; done < size; done += 65536) {
          const part = new Uint8Array(Math.min(65536, size - done));
          globalThis.crypto.getRandomValues(part);
          this.bytes(at + done, part.length).set(part);
        }
      },
      sched_yield: () => {},
      proc_exit: (code) => {
        throw new ProgramExit(code);
      },
      // Everything is ready at once; sleepers do not sleep.
      poll_oneoff: (subscriptions, events, count, done) => {
        const view = this.view();
        for (let i = 0; i < count; ++i) {
          const from = subscriptions + 48 * i;
          const to = events + 32 * i;
          this.bytes(to, 32).fill(0);
          view.setBigUint64(to, view.getBigUint64(from, true), true);
          view.setUint8(to + 10, view.getUint8(from + 8));
        }
        view.setUint32(done, count, true);
      },

      fd_close: (fd) => {
        this.descriptor(fd);
        this.open.delete(fd);
      },
      fd_fdstat_get: (fd, at) => {
        const found = this.descriptor(fd);
        this.bytes(at, 24).fill(0);
        this.view().setUint8(at, found.kind);
        this.view().setUint16(at + 2, found.append ? 1 : 0, true);
        this.view().setBigUint64(at + 8, found.kind === filetype.character ? 0x40n : 0x1fffffffn, true);
        this.view().setBigUint64(at + 16, 0x1fffffffn, true);
      },
      fd_fdstat_set_flags: (fd, flags) => {
        this.descriptor(fd).append = (flags & 1) !== 0;
      },
      fd_prestat_get: (fd, at) => {
        if (fd !== 3) throw new Failure(errno.badf);
        this.view().setUint8(at, 0);
        this.view().setUint32(at + 4, 1, true);
      },
      fd_prestat_dir_name: (fd, at) => {
        if (fd !== 3) throw new Failure(errno.badf);
        this.bytes(at, 1)[0] = 0x2f;
      },
      fd_filestat_get: (fd, at) => {
        const found = this.descriptor(fd);
        this.writeStat(at, found.file ?? found.directory, found.kind);
      },
      fd_filestat_set_size: (fd, size) => this.fileOf(fd).file.resize(Number(size)),
      fd_filestat_set_times: () => {},
      fd_advise: () => {},
      fd_allocate: () => {},
      fd_sync: (fd) => {
        this.descriptor(fd);
      },
      fd_datasync: (fd) => {
        this.descriptor(fd);
      },
      fd_read: (fd, vectors, count, done) => {
        const found = this.fileOf(fd);
        const read = this.read(found.file, found.at, this.vectors(vectors, count));
        found.at += read;
        this.view().setUint32(done, read, true);
      },
      fd_pread: (fd, vectors, count, offset, done) => {
        this.view().setUint32(done, this.read(this.fileOf(fd).file, Number(offset), this.vectors(vectors, count)), true);
      },
      fd_write: (fd, vectors, count, done) => {
        const found = this.descriptor(fd);
        let written = 0;
        for (const part of this.vectors(vectors, count)) {
          if (found.sink !== undefined) {
            found.sink(part.slice());
          } else {
            const {file} = this.fileOf(fd);
            if (found.append) found.at = file.size;
            file.write(found.at, part);
            found.at += part.length;
          }
          written += part.length;
        }
        this.view().setUint32(done, written, true);
      },
      fd_pwrite: (fd, vectors, count, offset, done) => {
        let at = Number(offset);
        for (const part of this.vectors(vectors, count)) {
          this.fileOf(fd).file.write(at, part);
          at += part.length;
        }
        this.view().setUint32(done, at - Number(offset), true);
      },
      fd_seek: (fd, offset, whence, result) => {
        const found = this.fileOf(fd);
        const from = whence === 0 ? 0 : whence === 1 ? found.at : found.file.size;
        const to = from + Number(offset);
        if (to < 0) throw new Failure(errno.inval);
        found.at = to;
        this.view().setBigUint64(result, BigInt(to), true);
      },
      fd_tell: (fd, result) => this.view().setBigUint64(result, BigInt(this.fileOf(fd).at), true),
      fd_readdir: (fd, buffer, size, cookie, used) => {
        const found = this.descriptor(fd);
        if (found.directory === undefined) throw new Failure(errno.notdir);
        const entries = [['.', found.directory], ['..', found.directory], ...found.directory];
        let at = 0;
        for (let i = Number(cookie); i < entries.length && at < size; ++i) {
          const [name, entry] = entries[i];
          const text = new TextEncoder().encode(name);
          const record = new Uint8Array(24 + text.length);
          const view = new DataView(record.buffer);
          view.setBigUint64(0, BigInt(i + 1), true);
          view.setUint32(16, text.length, true);
          view.setUint8(20, entry instanceof Map ? filetype.directory : filetype.regular);
          record.set(text, 24);
          // What does not fit is cut; the program then asks again with more room.
          const part = record.subarray(0, size - at);
          this.bytes(buffer + at, part.length).set(part);
          at += part.length;
        }
        this.view().setUint32(used, at, true);
      },
      fd_renumber: (from, to) => {
        this.open.set(to, this.descriptor(from));
        this.open.delete(from);
      },

      path_open: (fd, lookup, at, size, flags, rights, inherited, fdflags, result) => {
        const path = this.path(fd, at, size);
        let entry = this.tree.find(path);
        if (entry === undefined) {
          if ((flags & oflags.creat) === 0) throw new Failure(errno.noent);
          const [directory, name] = this.tree.place(path);
          entry = new File(new Uint8Array(0));
          directory.set(name, entry);
        } else if ((flags & oflags.excl) !== 0) {
          throw new Failure(errno.exist);
        }
        const isFile = entry instanceof File;
        if (isFile && ((flags & oflags.directory) !== 0 || path.endsWith('/'))) throw new Failure(errno.notdir);
        if (!isFile && (rights & 0x40n) !== 0n) throw new Failure(errno.isdir);
        if (isFile && (flags & oflags.trunc) !== 0) entry.resize(0);
        let number = 4;
        while (this.open.has(number)) ++number;
        this.open.set(number, isFile
          ? {file: entry, at: 0, kind: filetype.regular, append: (fdflags & 1) !== 0}
          : {directory: entry, path, kind: filetype.directory});
        this.view().setUint32(result, number, true);
      },
      path_filestat_get: (fd, lookup, at, size, result) => {
        const entry = this.tree.find(this.path(fd, at, size));
        if (entry === undefined) throw new Failure(errno.noent);
        this.writeStat(result, entry, entry instanceof File ? filetype.regular : filetype.directory);
      },
      path_filestat_set_times: () => {},
      path_create_directory: (fd, at, size) => {
        const [directory, name] = this.tree.place(this.path(fd, at, size));
        if (directory.has(name)) throw new Failure(errno.exist);
        directory.set(name, new Map());
      },
      path_remove_directory: (fd, at, size) => {
        const [directory, name] = this.tree.place(this.path(fd, at, size));
        const entry = directory.get(name);
        if (entry === undefined) throw new Failure(errno.noent);
        if (!(entry instanceof Map)) throw new Failure(errno.notdir);
        if (entry.size !== 0) throw new Failure(errno.notempty);
        directory.delete(name);
      },
      path_unlink_file: (fd, at, size) => {
        const [directory, name] = this.tree.place(this.path(fd, at, size));
        const entry = directory.get(name);
        if (entry === undefined) throw new Failure(errno.noent);
        if (!(entry instanceof File)) throw new Failure(errno.isdir);
        directory.delete(name);
      },
      path_rename: (fd, at, size, newFd, newAt, newSize) => {
        const [from, name] = this.tree.place(this.path(fd, at, size));
        const entry = from.get(name);
        if (entry === undefined) throw new Failure(errno.noent);
        const [to, newName] = this.tree.place(this.path(newFd, newAt, newSize));
        const old = to.get(newName);
        if (old === entry) return;
        if (old instanceof Map) {
          if (entry instanceof File) throw new Failure(errno.isdir);
          if (old.size !== 0) throw new Failure(errno.notempty);
        } else if (old !== undefined && entry instanceof Map) {
          throw new Failure(errno.notdir);
        }
        from.delete(name);
        to.set(newName, entry);
      },
      path_readlink: (fd, at, size) => {
        throw new Failure(this.tree.find(this.path(fd, at, size)) === undefined ? errno.noent : errno.inval);
      },
    };
    const checked = {};
    for (const [name, call] of Object.entries(calls)) {
      checked[name] = (...given) => {
        try {
          call(...given);
          return 0;
        } catch (failure) {
          if (failure instanceof Failure) return failure.number;
          if (failure instanceof RangeError && this.memory !== undefined && name !== 'proc_exit') return errno.fault;
          throw failure;
        }
      };
    }
    return new Proxy(checked, {get: (found, name) => found[name] ?? (() => errno.nosys)});
  }
}

/** What ended the program if it did not end itself: its exit code and a message as the program's own. */
function ended(error) {
  if (error instanceof RangeError) {
    return [exitCode.resource, 'krohn: the stack of the browser is too small for this; the native program has more\n'];
  }
  if (error instanceof WebAssembly.RuntimeError) {
    return [exitCode.resource,
      `krohn: stopped (${error.message}): a size beyond the 32 bits of WebAssembly, or an internal error; the native program has 64 bits\n`];
  }
  return [exitCode.internal, `krohn: internal error (please report): ${error}\n`];
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Runs the program once. Its working directory is the root of the files.
 *
 * @param {WebAssembly.Module} module
 * @param {object} what
 * @param {string[]} what.args without the program's name
 * @param {string|Uint8Array} [what.stdin]
 * @param {Record<string, Uint8Array>} [what.files] bytes by path
 * @param {string[]} [what.keep] paths of files and directories that are handed back
 * @param {boolean} [what.terminal] whether standard error is one, so that progress is shown there
 * @param {() => boolean} [what.interrupted] asked now and then whether the program is to end with what it has
 * @param {(bytes: Uint8Array) => void} [what.onError] gets what is written to standard error as it comes
 * @returns {Promise<{code: number, stdout: Uint8Array, stderr: string, files: Record<string, Uint8Array>}>}
 */
export async function runProgram(module, {args, stdin = '', files = {}, keep = [], terminal = false, interrupted = () => false, onError = () => {}}) {
  const tree = new FileTree(files);
  const output = [];
  const errors = [];
  const system = new System({
    args: ['krohn', ...args],
    stdin: typeof stdin === 'string' ? new TextEncoder().encode(stdin) : stdin,
    tree,
    terminal,
    interrupted,
    onOutput: (bytes) => output.push(bytes),
    onError: (bytes) => {
      errors.push(bytes);
      onError(bytes);
    },
  });
  const instance = await WebAssembly.instantiate(module, {wasi_snapshot_preview1: system.imports()});
  system.attach(instance.exports);
  let code = 0;
  try {
    instance.exports._start();
  } catch (error) {
    if (error instanceof ProgramExit) {
      code = error.code;
    } else {
      let message;
      [code, message] = ended(error);
      errors.push(new TextEncoder().encode(message));
      onError(errors.at(-1));
    }
  }
  const kept = {};
  for (const path of keep) Object.assign(kept, tree.files(path));
  return {code, stdout: joined(output), stderr: new TextDecoder().decode(joined(errors)), files: kept};
}
