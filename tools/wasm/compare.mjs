#!/usr/bin/env node
// Runs the same commands with the native program and with krohn.wasm on the page's system calls (site/playground/wasi.js), and
// compares everything that they answer: exit codes, standard output, messages, and the bytes of all files that they write.
// Left out are times, and the name of the CPU's instructions; spectra are compared to twelve digits. Exit 0 when nothing differs.
//
//   compare.mjs --krohn build/cpu/krohn --wasm build/wasm/krohn.wasm [--all] [--only TEXT]
//
// The commands: of each corpus language classify, compile, check with its certificate, verify, run on the corpus's words, every
// state, report, inspect; of trained models run, accuracy, check, inspect, harden; theorems on made models; bad input. Without
// --all a sixth of the corpus, of the trained models those that are quick.
import {spawnSync} from 'node:child_process';
import {mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join, relative, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {runProgram} from '../../site/playground/wasi.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const data = join(root, 'tests/data');
const {values: options} = parseArgs({options: {krohn: {type: 'string', default: join(root, 'build/cpu/krohn')},
  wasm: {type: 'string', default: join(root, 'build/wasm/krohn.wasm')}, all: {type: 'boolean', default: false}, only: {type: 'string', default: ''}}});
const native = resolve(options.krohn);
const module = await WebAssembly.compile(readFileSync(options.wasm));

function filesBelow(folder) {
  const found = {};
  const walk = (at) => {
    for (const name of readdirSync(at)) {
      const path = join(at, name);
      if (statSync(path).isDirectory()) walk(path);
      else found[relative(folder, path)] = new Uint8Array(readFileSync(path));
    }
  };
  walk(folder);
  return found;
}

/** What a comparison leaves out: times, and which vector instructions there were. */
function comparable(text) {
  return text
    .replace(/"seconds": [0-9.e+-]+/g, '"seconds": 0')
    .replace(/"device": "cpu \([a-z0-9]+\)"/g, '"device": "cpu"')
    .replace(/ran on cpu \([a-z0-9]+\)/g, 'ran on cpu');
}

/**
 * What spectra are made of: sums in double precision whose order is Eigen's, which is another where there are vector
 * instructions. Sums of a thousand terms of one sign then differ by at most 1000 * 2^-53 of themselves, so that twelve digits
 * are compared; of numbers below 1, such as an eigenvalue's distance from 1, twelve behind the point.
 */
function roughly(text) {
  const rounded = (x) => Number(Math.abs(x) < 1 ? x.toFixed(12) : x.toPrecision(12));
  return text.replace(/-?\d+\.\d+(e[+-]?\d+)?/g, (digits) => String(rounded(Number(digits))))
    .replace(/written \(\d+ bytes\)/, 'written');
}

/** A certificate says how it was found, and so how long that took. */
function comparableFile(bytes) {
  return Buffer.from(comparable(Buffer.from(bytes).toString('latin1')), 'latin1');
}

/** Where two texts part. */
function parting(a, b) {
  let at = 0;
  while (at < a.length && a[at] === b[at]) ++at;
  const from = Math.max(0, at - 60);
  return `at ${at}: native ..${JSON.stringify(a.slice(from, at + 100))}, WebAssembly ..${JSON.stringify(b.slice(from, at + 100))}`;
}

let compared = 0;
const differing = [];
const seconds = {native: 0, wasm: 0};

/**
 * Commands one after another in a folder of files: what one writes the next reads. A command is its arguments, or {args, stdin,
 * rough, without}: `without` names what of its JSON is not compared.
 */
async function compare(name, files, commands) {
  if (!name.includes(options.only)) return;
  const folder = mkdtempSync(join(tmpdir(), 'krohn-compare-'));
  let inner = {...files};
  try {
    for (const [path, bytes] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), {recursive: true});
      writeFileSync(join(folder, path), bytes);
    }
    for (const command of commands) {
      const {args, stdin = '', rough = false, without} = Array.isArray(command) ? {args: command} : command;
      const shown = (what) => (rough ? roughly(comparable(what)) : comparable(what));
      const begin = performance.now();
      const outside = spawnSync(native, args, {cwd: folder, input: stdin, maxBuffer: 1 << 30});
      const between = performance.now();
      const inside = await runProgram(module, {args, stdin, files: inner, keep: ['']});
      seconds.native += (between - begin) / 1000;
      seconds.wasm += (performance.now() - between) / 1000;
      const problems = [];
      if (outside.status !== inside.code) problems.push(`exit codes ${outside.status} and ${inside.code}`);
      const printed = (bytes) => {
        const whole = new TextDecoder().decode(bytes);
        return without === undefined || whole === '' ? whole : JSON.stringify({...JSON.parse(whole), [without]: null}, null, 2);
      };
      const pairs = [['standard output', printed(outside.stdout), printed(inside.stdout)],
        ['messages', outside.stderr.toString(), inside.stderr]];
      const written = filesBelow(folder);
      for (const path of new Set([...Object.keys(written), ...Object.keys(inside.files)])) {
        if (written[path] === undefined || inside.files[path] === undefined) {
          problems.push(`${path} is written by ${written[path] === undefined ? 'WebAssembly' : 'native'} alone`);
        } else if (Buffer.compare(Buffer.from(written[path]), Buffer.from(inside.files[path])) !== 0) {
          const [one, other] = [comparableFile(written[path]), comparableFile(inside.files[path])];
          if (Buffer.compare(one, other) !== 0) pairs.push([path, one.toString('latin1'), other.toString('latin1')]);
        }
      }
      for (const [what, one, other] of pairs) {
        if (shown(one) !== shown(other)) problems.push(`${what} ${parting(shown(one), shown(other))}`);
      }
      ++compared;
      // What follows starts from the same files.
      inner = written;
      if (problems.length > 0) {
        differing.push(`${name}: krohn ${args.join(' ')}`);
        console.log(`${name}: krohn ${args.join(' ')}\n  ${problems.join('\n  ')}`);
      }
    }
  } finally {
    rmSync(folder, {recursive: true});
  }
}

const text = (value) => new TextEncoder().encode(value);
// What the usual limit of time would end on a machine that is busy with other things.
const unhurried = ['--time-limit', '600'];

// The corpus.
const corpus = JSON.parse(readFileSync(join(data, 'corpus/languages.json'), 'utf8'));
const chosen = corpus.filter((_, i) => options.all || i % 6 === 0);
for (const {id, regex, alphabet, dfa, accepted, rejected} of chosen) {
  const automaton = {format: 'krohn-automaton-v1', alphabet: [...dfa.alphabet], start: dfa.start,
    transitions: Array.from({length: dfa.n}, (_, q) => dfa.delta.map((row) => row[q])), accepting: dfa.accept};
  const language = regex === null ? ['l.json'] : [`re:${regex}`, '--alphabet', alphabet];
  const words = [...accepted, ...rejected].filter((word) => word.length <= 300);
  await compare(id, {'l.json': text(JSON.stringify(automaton))}, [
    ['classify', ...language, '--json'],
    ['inspect', ...language, '--json'],
    ['compile', ...language, '-o', 'model', '--json'],
    ['check', 'model', ...language, ...unhurried, '--certificate', 'certificate', '--json'],
    ['verify', 'certificate', 'model', ...language, '--json'],
    ['check', 'model', ...language, ...unhurried, '--format', 'bf16', '--json'],
    {args: ['run', 'model', '--json'], stdin: words.map((word) => `${word || '""'}\n`).join('')},
    {args: ['run', 'model', '--states', 'every', '-o', 'states'], stdin: words.slice(0, 6).map((word) => `${word || '""'}\n`).join('')},
    ['inspect', 'model', '--json'],
    ['inspect', 'model', '--tables'],
    {args: ['report', ...language, '-o', 'report.html', '--words', '20', '--length', '32'], rough: true},
    ['convert', ...language, '-o', 'again.hoa'],
  ]);
}
for (const name of ['parity', 'word:S4', 'A:5', 'dyck:2,3', 'modarith:5', 'cycle:7', 'tomita:5', 'random:9,3,7', 'mod:101', ...(options.all ? ['word:S5', 'Q8', 'M:11', 'D:9'] : [])]) {
  await compare(name, {}, [['classify', name, '--json'], ['compile', name, '-o', 'model', '--json'], ['check', 'model', name, ...unhurried, '--certificate', 'certificate', '--json'],
    ['verify', 'certificate', '--json'], ['extract', 'model', '--compare', name, ...unhurried, '--json'], ['report', name, '-o', 'report.html', '--words', '10', '--length', '16']]);
}
// Inexact models, whose keys and eigenvalues are irrational: the same bits on every machine.
await compare('rotations', {}, [['compile', 'mod:7', '-o', 'model', '--representation', 'rotation', '--json'], ['inspect', 'model', '--tables'],
  ['check', 'model', 'mod:7', '--up-to', '40', '--method', 'horizon', '--json']]);
for (const representation of ['dimension', 'reflections']) {
  await compare(`representations, ${representation}`, {}, ['word:A5', 'word:S4', 'word:Q8', 'perm:S5'].flatMap((name) => [
    ['compile', name, '-o', 'model', '--force', '--representation', representation, '--json'], ['inspect', 'model', '--tables']]));
}
await compare('the catalogue', {}, [['classify', '--list', '--json'], ['--version'], ['explain', 'A5', '--json'], ['explain', 'S5', '--json'], ['explain', 'D6', '--json'], ['explain', 'A4', '--json'], ['convert', 'word:S3', '-o', 's3.mata'], ['convert', 's3.mata', '-o', 's3.dot'],
  ['export', 'word:S3', '--to', 'fla', '-o', 'fla'], ['check', 'fla', '--json']]);

// Theorems on made models.
for (const family of ['mamba', 'mamba2', 'gla', 'mlstm', 'rwkv6', 'hgrn2', 'deltanet', 'gated_deltanet', 'triangular']) {
  await compare(`theorems, ${family}`, {}, ['fp32', 'bf16'].flatMap((format) => [
    ['refute', '--theorem', 'parity', '--family', family, '--format', format, '--json'],
    ...(options.all ? [['refute', '--theorem', 'modular:3', '--family', family, '--range', '-1,1', '--format', format, '--seed', '7', '--json']] : []),
  ]));
}

// Trained models. What a limit of time ends is no function of the input and is not compared.
const zoo = readdirSync(join(data, 'zoo')).filter((_, i) => options.all || i % 4 === 0);
for (const name of zoo) {
  await compare(`trained, ${name}`, Object.fromEntries(Object.entries(filesBelow(join(data, 'zoo', name))).map(([path, bytes]) => [`m/${path}`, bytes])), [
    ['accuracy', 'm', '--words', '32', '--lengths', '8..64', '--json'],
    ['check', 'm', '--up-to', '5', '--method', 'closure', ...unhurried, '--json'],
    {args: ['inspect', 'm', '--json'], rough: true},
    {args: ['inspect', 'm', '--words', '4', '--length', '16', '--json'], rough: true},
    {args: ['run', 'm', '--states', 'every', '-o', 'states'], stdin: ''},
  ]);
}
const fixed = ['parity_delta_net_pos', ...(options.all ? ['flipflop_delta_net_pos', 's3_gated_deltaproduct_n2_neg'] : [])];
for (const name of fixed) {
  await compare(`trained, ${name}`, Object.fromEntries(Object.entries(filesBelow(join(data, 'models', name))).map(([path, bytes]) => [`m/${path}`, bytes])), [
    ['accuracy', 'm', '--words', '16', '--lengths', '8..32', '--json'], {args: ['inspect', 'm', '--json'], rough: true}]);
}
if (options.all) {
  await compare('hardened', Object.fromEntries(Object.entries(filesBelow(join(data, 'zoo/gdn_2l__tomita4'))).map(([path, bytes]) => [`m/${path}`, bytes])), [
    // The model's own verdict is what a tenth of the time gives.
    {args: ['harden', 'm', '-o', 'h', '--time-limit', '600', '--memory', '256M', '--json'], without: 'original'}, ['check', 'h', '--certificate', 'certificate', '--json'], ['verify', 'certificate', 'h', '--json']]);
}

// The automata of MLRegTest, where the checkout has the whole corpus beside it.
const mlregtest = join(data, 'corpus/mlregtest');
try {
  for (const name of readdirSync(mlregtest).filter((file, i) => file.endsWith('.att') && (options.all || i % 10 === 0))) {
    await compare(name, {[name]: new Uint8Array(readFileSync(join(mlregtest, name)))}, [['classify', name, '--json'], ['compile', name, '-o', 'model', '--json'], ['check', 'model', name, ...unhurried, '--json']]);
  }
} catch (error) {
  if (error.code !== 'ENOENT') throw error;
}

// Bad input: the same messages.
await compare('bad input', {'x.json': text('{"format": '), 'x.att': text('0 1 a b\n'), 'c': text('krohn-certificate-v2\n'), 'm/config.json': text('{}')}, [
  ['classify', 're:(a'], ['classify', 're:a{2'], ['compile', 'nothing', '-o', 'x'], ['classify', 'x.json'], ['classify', 'x.att'], ['classify', 'none.json'],
  ['verify', 'c'], ['verify', 'm'], ['check', 'm'], ['check', 'none'], ['compile', 'parity', '-o', 'm'], ['frobnicate'], ['check'], ['compile', 'parity', '-o', 'y', '--formt', 'x'],
  ['refute', '--theorem', 'parity', '--family', 'nothing'], ['classify', 'dyck:0,1'], ['classify', 'mod:0'], ['classify', 'S:40', '--max-monoid', '10'], ['compile', 'word:S9', '-o', 'z'],
]);

console.log(`tools/wasm/compare: ${compared} commands, ${differing.length} differ; native ${seconds.native.toFixed(1)} s, WebAssembly ${seconds.wasm.toFixed(1)} s`);
process.exit(differing.length === 0 ? 0 : 1);
