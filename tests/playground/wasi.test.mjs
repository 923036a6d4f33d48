// The calls of site/playground/wasi.js as WASI's preview 1 specifies them, on a memory without a program. What a whole program
// sees of them is tested by tools/wasm/compare, which runs krohn on them and on node's own.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {FileTree, System} from '../../site/playground/wasi.js';

const errno = {exist: 20, isdir: 31, noent: 44, notdir: 54, notempty: 55, badf: 8, inval: 28, nosys: 52};
const root = 3;
const scratch = 1024;

function machine(files = {}, stdin = '') {
  const tree = new FileTree(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)])));
  const written = {1: '', 2: ''};
  const system = new System({args: ['krohn', 'a b'], stdin: new TextEncoder().encode(stdin), tree, terminal: false,
    onOutput: (bytes) => { written[1] += new TextDecoder().decode(bytes); }, onError: (bytes) => { written[2] += new TextDecoder().decode(bytes); }});
  const memory = new WebAssembly.Memory({initial: 2});
  system.attach({memory});
  const calls = system.imports();
  const view = () => new DataView(memory.buffer);
  const put = (text, at = 8192) => {
    const bytes = new TextEncoder().encode(text);
    new Uint8Array(memory.buffer).set(bytes, at);
    return [at, bytes.length];
  };
  const vector = (at, size) => {
    view().setUint32(scratch, at, true);
    view().setUint32(scratch + 4, size, true);
  };
  return {
    tree, calls, view, put, written, memory,
    open(path, {flags = 0, rights = 0x2n, fdflags = 0} = {}) {
      const code = calls.path_open(root, 0, ...put(path), flags, rights, 0n, fdflags, 512);
      return code === 0 ? view().getUint32(512, true) : -code;
    },
    read(fd, size) {
      vector(16384, size);
      const code = calls.fd_read(fd, scratch, 1, 512);
      if (code !== 0) return -code;
      return new TextDecoder().decode(new Uint8Array(memory.buffer, 16384, view().getUint32(512, true)));
    },
    write(fd, text) {
      const [at, size] = put(text);
      vector(at, size);
      return calls.fd_write(fd, scratch, 1, 512);
    },
    entries(fd, room = 4096) {
      const names = [];
      for (let cookie = 0n;;) {
        assert.equal(calls.fd_readdir(fd, 16384, room, cookie, 512), 0);
        const used = view().getUint32(512, true);
        let at = 0;
        while (at + 24 <= used) {
          const size = view().getUint32(16384 + at + 16, true);
          if (at + 24 + size > used) break;
          names.push(new TextDecoder().decode(new Uint8Array(memory.buffer, 16384 + at + 24, size)));
          cookie = view().getBigUint64(16384 + at, true);
          at += 24 + size;
        }
        if (used < room) return names;
      }
    },
    stat(path) {
      const code = calls.path_filestat_get(root, 0, ...put(path), 2048);
      return code === 0 ? [view().getUint8(2048 + 16), Number(view().getBigUint64(2048 + 32, true))] : -code;
    },
  };
}

test('files are read, written, cut and lengthened', () => {
  const m = machine({'d/x': 'hello'});
  const x = m.open('d/x');
  assert.equal(m.read(x, 3), 'hel');
  assert.equal(m.read(x, 10), 'lo');
  assert.equal(m.read(x, 10), '');
  assert.equal(m.calls.fd_seek(x, -4n, 2, 512), 0);
  assert.equal(m.read(x, 2), 'el');
  assert.equal(m.calls.fd_seek(x, -9n, 0, 512), errno.inval);
  const y = m.open('d/y', {flags: 1 | 4, rights: 0x42n});
  assert.equal(m.write(y, 'abc'), 0);
  assert.equal(m.calls.fd_seek(y, 5n, 0, 512), 0);
  assert.equal(m.write(y, 'z'), 0);
  assert.deepEqual(m.tree.files('d/y')['d/y'], new Uint8Array([97, 98, 99, 0, 0, 122]));
  assert.equal(m.calls.fd_filestat_set_size(y, 2n), 0);
  assert.equal(m.calls.fd_filestat_set_size(y, 4n), 0);
  assert.deepEqual(m.tree.files('d/y')['d/y'], new Uint8Array([97, 98, 0, 0]));
  const appended = m.open('d/x', {fdflags: 1, rights: 0x42n});
  m.write(appended, '!');
  assert.equal(m.read(m.open('/d/../d/./x'), 99), 'hello!');
  assert.equal(m.calls.fd_close(appended), 0);
  assert.equal(m.calls.fd_close(appended), errno.badf);
});

test('opening says what is wrong', () => {
  const m = machine({'d/x': 'hello'});
  assert.equal(m.open('none'), -errno.noent);
  assert.equal(m.open('none/y', {flags: 1}), -errno.noent);
  assert.equal(m.open('d/x/y'), -errno.noent);
  assert.equal(m.open('d/x', {flags: 1 | 4}), -errno.exist);
  assert.equal(m.open('d/x', {flags: 2}), -errno.notdir);
  assert.equal(m.open('d', {rights: 0x40n}), -errno.isdir);
  assert.equal(m.read(m.open('d'), 1), -errno.isdir);
  const opened = m.open('d/x', {flags: 8, rights: 0x40n});
  assert.ok(opened > root);
  assert.deepEqual(m.stat('d/x'), [4, 0]);
});

test('directories are listed whole whatever the room', () => {
  const names = Array.from({length: 40}, (_, i) => `file-${'x'.repeat(i)}`);
  const m = machine(Object.fromEntries(names.map((name) => [`d/${name}`, ''])));
  for (const room of [4096, 200, 90]) assert.deepEqual(m.entries(m.open('d', {flags: 2}), room).sort(), ['.', '..', ...names].sort());
});

test('directories are made, renamed and removed', () => {
  const m = machine({'a/b/c': '1', 'f': '2'});
  const two = (call, from, to) => {
    const [at, size] = m.put(from);
    const [toAt, toSize] = m.put(to, 9000);
    return m.calls[call](root, at, size, root, toAt, toSize);
  };
  assert.equal(m.calls.path_create_directory(root, ...m.put('new')), 0);
  assert.equal(m.calls.path_create_directory(root, ...m.put('new')), errno.exist);
  assert.equal(m.calls.path_create_directory(root, ...m.put('no/such')), errno.noent);
  assert.equal(m.calls.path_remove_directory(root, ...m.put('a')), errno.notempty);
  assert.equal(m.calls.path_remove_directory(root, ...m.put('f')), errno.notdir);
  assert.equal(m.calls.path_unlink_file(root, ...m.put('a')), errno.isdir);
  assert.equal(two('path_rename', 'a', 'f'), errno.notdir);
  assert.equal(two('path_rename', 'f', 'a'), errno.isdir);
  assert.equal(two('path_rename', 'new', 'a'), errno.notempty);
  assert.equal(two('path_rename', 'a', 'new'), 0);
  assert.equal(two('path_rename', 'none', 'x'), errno.noent);
  assert.deepEqual(m.stat('new/b/c'), [4, 1]);
  assert.equal(m.stat('a'), -errno.noent);
  assert.equal(m.calls.path_unlink_file(root, ...m.put('new/b/c')), 0);
  assert.equal(m.calls.path_remove_directory(root, ...m.put('new/b')), 0);
  assert.deepEqual(Object.keys(m.tree.files()), ['f']);
});

test('arguments, standard streams and what there is not', () => {
  const m = machine({}, 'line\n');
  m.calls.args_sizes_get(512, 516);
  assert.deepEqual([m.view().getUint32(512, true), m.view().getUint32(516, true)], [2, 10]);
  m.calls.args_get(600, 700);
  assert.equal(new TextDecoder().decode(new Uint8Array(m.memory.buffer, m.view().getUint32(604, true), 3)), 'a b');
  assert.equal(m.read(0, 100), 'line\n');
  assert.equal(m.read(0, 100), '');
  m.write(1, 'out');
  m.write(2, 'err');
  assert.deepEqual(m.written, {1: 'out', 2: 'err'});
  assert.equal(m.calls.sock_accept(0, 0, 0), errno.nosys);
  assert.equal(m.calls.fd_prestat_get(4, 512), errno.badf);
  m.calls.random_get(20000, 32);
  assert.notDeepEqual(new Uint8Array(m.memory.buffer, 20000, 32), new Uint8Array(32));
});

test('files given are not changed by the program', () => {
  const bytes = new TextEncoder().encode('keep');
  const tree = new FileTree({x: bytes});
  tree.find('x').write(0, new TextEncoder().encode('lost'));
  assert.equal(new TextDecoder().decode(bytes), 'keep');
});

test('an interrupt reaches the program once, where it asks for the time', () => {
  let asked = false;
  let interrupts = 0;
  const system = new System({args: [], stdin: new Uint8Array(0), tree: new FileTree(), terminal: false,
    interrupted: () => asked, onOutput: () => {}, onError: () => {}});
  system.attach({memory: new WebAssembly.Memory({initial: 1}), interrupt: () => {
    ++interrupts;
    // The program looks at the clock in there too.
    assert.equal(calls.clock_time_get(1, 0n, 0), 0);
  }});
  const calls = system.imports();
  calls.clock_time_get(1, 0n, 0);
  assert.equal(interrupts, 0);
  asked = true;
  calls.clock_time_get(1, 0n, 0);
  calls.clock_time_get(1, 0n, 0);
  assert.equal(interrupts, 1);
});
