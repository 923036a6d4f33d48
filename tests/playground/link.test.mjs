// A link gives back what went into it, stays legible, and one that people wrote by hand is read as they mean it.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {formatLink, parseLink} from '../../site/playground/link.js';

test('states come back', () => {
  for (const lang of ['parity', 're:(ab)*', 're:a&~(b+)|c', 're:100%', 're:%41', 're:\\#', 'a b', 'é→', '', '"<>`', 're:[^a]{2,3}?']) {
    const state = {lang, word: 'a%26b', alphabet: 'ab'};
    assert.deepEqual(parseLink(formatLink(state)), state);
    // What a browser makes of it.
    assert.deepEqual(parseLink(new URL(formatLink(state), 'http://localhost/').hash), state);
  }
});

test('languages stay legible', () => {
  assert.equal(formatLink({lang: 're:(a|b)*abb'}), '#lang=re:(a|b)*abb');
});

test('links by hand', () => {
  assert.deepEqual(parseLink('#lang=re:(ab)*'), {lang: 're:(ab)*'});
  assert.deepEqual(parseLink('#lang=re:a%'), {lang: 're:a%'});
  assert.deepEqual(parseLink('#lang=a=b&tab=language&x'), {lang: 'a=b', tab: 'language'});
  assert.deepEqual(parseLink(''), {});
});
