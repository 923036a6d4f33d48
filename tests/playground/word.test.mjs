// A word is taken apart as krohn takes it: the symbols are those that `krohn run` answers, one label a symbol.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {splitWord} from '../../site/playground/word.js';

const krohn = process.env.KROHN_BIN;

test('words as krohn reads them', {skip: krohn === undefined && 'KROHN_BIN names no program'}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'krohn-word-'));
  try {
    for (const [language, words] of [['re:(ab|é)*', ['abé', '""', '  ab ', 'é']], ['word:S4', ['0 1 12 23', '7', '""', ' 3  4 ']]]) {
      const model = join(folder, 'model');
      execFileSync(krohn, ['compile', language, '-o', model, '--force'], {stdio: 'ignore'});
      const {alphabet} = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
      for (const word of words) {
        const labels = execFileSync(krohn, ['run', model, '--all-positions'], {input: `${word.trim()}\n`}).toString().trim().split(/\s+/);
        const symbols = splitWord(word, alphabet);
        assert.ok(symbols.every((symbol) => alphabet.includes(symbol)), `${word}: ${symbols}`);
        // The empty word has a label too.
        assert.equal(labels.length, Math.max(1, symbols.length), word);
      }
    }
  } finally {
    rmSync(folder, {recursive: true});
  }
});
