// What the page shows of a compiled model's run is the run: on words of several languages the rows and slots that
// site/playground/tables.js follows end in the label that krohn gives, and a row's formula, applied to what was carried, gives
// what is carried next. KROHN_BIN names the program.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {readSafetensors} from '../../site/playground/safetensors.js';
import {follow, readTables, rowText} from '../../site/playground/tables.js';

const krohn = process.env.KROHN_BIN;

/** docs/semantics.md, section 2, steps 1 to 3, in doubles: exact here, since compiled models compute with small integers. */
function applied({gate, factors, write}, hidden, columns) {
  const h = hidden.map((x, at) => (gate.length === 1 ? gate[0] : gate[Math.floor(at / columns)]) * x);
  for (const {beta, key, read, value} of factors) {
    for (let m = 0; m < columns; ++m) {
      const dot = (read.length ? read : key).reduce((sum, {index, value: r}) => sum + r * h[index * columns + m], 0);
      const v = value.find(({index}) => index === m)?.value ?? 0;
      for (const {index, value: k} of key) h[index * columns + m] += beta * (v - dot) * k;
    }
  }
  for (const {index, value: w} of write) h[index] += w;
  return h.map((x) => x + 0);
}

for (const [language, words] of [['re:(aaa)*(bb)*', ['', 'aaabb', 'aaab', 'ab', 'bba', 'aaaaaabbbbb']], ['parity', ['0110', '111', '0']],
  ['re:(a|b)*abb', ['ababb', 'abba']], ['dyck:1,3', ['((()))()', '(()', ')(']], ['word:S4', ['0 1 12 3 23 5 5 4 3', '3']], ['word:S3', ['012345543', '3']], ['modarith:5', ['3+4*2', '3+', '1*2-3']]]) {
  test(`a run of ${language}`, {skip: krohn === undefined && 'KROHN_BIN names no program'}, () => {
    const folder = mkdtempSync(join(tmpdir(), 'krohn-tables-'));
    try {
      const model = join(folder, 'model');
      execFileSync(krohn, ['compile', language, '-o', model], {stdio: 'ignore'});
      execFileSync(krohn, ['run', model, '--states', 'every', '-o', join(folder, 'states')], {input: words.map((word) => `${word || '""'}\n`).join('')});
      const {alphabet} = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
      const tables = readTables(readSafetensors(readFileSync(join(model, 'model.safetensors'))).tensors);
      const {tensors} = readSafetensors(readFileSync(join(folder, 'states')));
      const carried = tables.layers.map((layer, l) => (t) => {
        const size = layer.shape[0] * layer.shape[1];
        return tensors[`S.${l}`].values.slice(t * size, (t + 1) * size);
      });
      for (const [w, word] of words.entries()) {
        const symbols = word.includes(' ') || word === '' ? word.split(' ').filter((symbol) => symbol !== '') : [...word];
        const begin = tensors.offset.values[w];
        assert.equal(tensors.offset.values[w + 1] - begin, symbols.length + 1);
        for (const [l, layer] of tables.layers.entries()) assert.deepEqual(carried[l](begin), layer.initial);
        for (const [i, symbol] of symbols.entries()) {
          const t = begin + i + 1;
          const before = carried.map((at) => at(t - 1));
          const after = carried.map((at) => at(t));
          const {steps, label} = follow(tables, alphabet.indexOf(symbol), before, after);
          assert.equal(label, tensors.labels.values[t], `${word} at ${i}`);
          for (const [l, step] of steps.entries()) assert.deepEqual(applied(tables.layers[l].rows[step.action], before[l], tables.layers[l].shape[1]), after[l]);
        }
      }
    } finally {
      rmSync(folder, {recursive: true});
    }
  });
}

test('rows as formulas', () => {
  const e = (index, value = 1) => ({index, value});
  const factor = (beta, key, value = []) => ({beta, key, value, read: []});
  assert.equal(rowText({gate: [1], factors: [], write: []}), 'h');
  assert.equal(rowText({gate: [0], factors: [], write: [e(2)]}), 'e2');
  assert.equal(rowText({gate: [0], factors: [factor(1, [e(0)])], write: []}), '0');
  assert.equal(rowText({gate: [1], factors: [factor(1, [e(1), e(2, -1)]), factor(2, [e(3)])], write: []}),
    '(I - 2 (e3)(e3)ᵀ) (I - (e1 - e2)(e1 - e2)ᵀ) h');
  assert.equal(rowText({gate: [1], factors: [factor(1, [e(1), e(2, -1)], [e(0)]), factor(2, [e(0)])], write: []}),
    '(I - 2 (e0)(e0)ᵀ) [(I - (e1 - e2)(e1 - e2)ᵀ) h + e1 - e2]');
  assert.equal(rowText({gate: [0.5], factors: [], write: [e(0, -2)]}), '0.5 h - 2 e0');
});
