// The state of the page as a link: #name=value&name=value. Values stay as people type them, but for what would end them:
// %, &, # and what a link may not hold. Tested by tests/playground/link.test.mjs.

const escaped = (text) => text.replace(/[%&#\s"<>`]|[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));

export function formatLink(state) {
  return `#${Object.entries(state).map(([name, value]) => `${name}=${escaped(value)}`).join('&')}`;
}

/** A link that people wrote by hand may hold a % that stands for itself. */
export function parseLink(text) {
  const state = {};
  for (const part of text.replace(/^#/, '').split('&')) {
    const at = part.indexOf('=');
    if (at < 0) continue;
    const value = part.slice(at + 1);
    try {
      state[part.slice(0, at)] = decodeURIComponent(value);
    } catch {
      state[part.slice(0, at)] = value;
    }
  }
  return state;
}
