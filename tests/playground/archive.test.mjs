// An archive gives back the files that went in, tar reads it, the page reads tar's, and what is no archive is refused.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {archive, unarchive} from '../../site/playground/archive.js';

const files = {'model/config.json': new TextEncoder().encode('{}\n'), 'model/empty': new Uint8Array(0),
  certificate: Uint8Array.from({length: 1500}, (_, i) => i % 251), exact: new Uint8Array(512).fill(7)};
const whole = new Uint8Array(Buffer.concat(archive(files)));
const plain = (found) => Object.fromEntries(Object.entries(found).map(([path, bytes]) => [path, [...bytes]]));

test('files come back', () => {
  assert.deepEqual(plain(unarchive(whole, 'a.tar')), plain(files));
});

test('tar reads it, and it reads tar', () => {
  const folder = mkdtempSync(join(tmpdir(), 'krohn-archive-'));
  try {
    writeFileSync(join(folder, 'a.tar'), whole);
    mkdirSync(join(folder, 'out'));
    execFileSync('tar', ['-xf', '../a.tar'], {cwd: join(folder, 'out')});
    for (const [path, bytes] of Object.entries(files)) assert.deepEqual([...readFileSync(join(folder, 'out', path))], [...bytes]);
    execFileSync('tar', ['-cf', '../b.tar', '--format=ustar', 'model', 'certificate'], {cwd: join(folder, 'out')});
    const {exact, ...others} = files;
    assert.deepEqual(plain(unarchive(new Uint8Array(readFileSync(join(folder, 'b.tar'))), 'b.tar')), plain(others));
  } finally {
    rmSync(folder, {recursive: true});
  }
});

test('what is no archive is refused', () => {
  const refused = (bytes, message) => assert.throws(() => unarchive(bytes, 'x.tar'), {message});
  refused(new Uint8Array(0), 'x.tar: expected a tar archive, got something else');
  refused(new Uint8Array(2000).fill(65), 'x.tar: expected a tar archive, got something else');
  refused(whole.subarray(0, 2200), 'x.tar: expected a whole tar archive, got one that ends within certificate');
});
