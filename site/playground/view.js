// What all tabs show things with: elements, tables, verdicts, pictures, files to save.

/** An element: `h('p', {class: 'note'}, 'text', child)`; properties that start with "on" are listeners. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(name, properties = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

let headings = 0;

/** A section with a heading and buttons beside it. */
export function section(title, buttons, ...children) {
  const id = `heading-${++headings}`;
  // "JSON" alone does not say of what.
  for (const button of buttons.flat()) button.setAttribute('aria-describedby', id);
  return h('section', {'aria-labelledby': id},
    h('div', {class: 'head'}, h('h2', {id}, title), buttons.length ? h('div', {class: 'save'}, buttons) : null), children);
}

export function facts(pairs) {
  return h('dl', {class: 'facts'}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

/**
 * A table. `numeric` says which columns are numbers; with `long`, rows become lists where the screen is narrow. A cell is
 * text, an element, or {text, class}.
 */
export function table(caption, head, rows, {numeric = [], long = false, className = ''} = {}) {
  const cell = (value, c) => {
    const given = value !== null && typeof value === 'object' && !(value instanceof Node) ? value : {text: value};
    const classes = [numeric[c] ? 'number' : '', given.class ?? ''].join(' ').trim();
    return h('td', {class: classes || undefined, 'data-name': long ? head[c] : undefined}, given.text ?? '');
  };
  return h('div', {class: 'scroll', tabindex: '0', role: 'group', 'aria-label': caption},
    h('table', {class: [long ? 'long' : '', className].join(' ').trim() || undefined},
      h('caption', {class: 'said'}, caption),
      h('thead', {}, h('tr', {}, head.map((name, c) => h('th', {scope: 'col', class: numeric[c] ? 'number' : undefined}, name)))),
      h('tbody', {}, rows.map((row) => h('tr', {}, row.map(cell))))));
}

/** A word as krohn prints it; long stretches of one symbol as a power. */
export function wordText(word) {
  if (word.length === 0) return '""';
  const single = word.every((symbol) => [...symbol].length === 1);
  const parts = [];
  for (let i = 0; i < word.length;) {
    let j = i;
    while (j < word.length && word[j] === word[i]) ++j;
    if (j - i >= 6) parts.push(`${word[i]}^${j - i}`);
    else parts.push(...word.slice(i, j));
    i = j;
  }
  const powers = parts.length < word.length;
  const text = parts.slice(0, 400).join(single && !powers ? '' : ' ');
  return parts.length > 400 ? `${text} .. (${word.length} symbols)` : text;
}

const kinds = {PROVED: 'good', VERIFIED: 'good', CERTIFIED: 'open', UNKNOWN: 'open', UNCHECKED: 'open', REFUTED: 'bad', REJECTED: 'bad'};

/** A verdict as a coloured card; the word says it, the colour only repeats it. */
export function verdictCard(name, text, more = []) {
  return h('div', {class: `verdict ${kinds[name] ?? 'open'}`}, h('strong', {}, name), h('p', {}, text), more);
}

/** What a verdict of `krohn check --json` says in a sentence. */
export function verdictText(verdict) {
  switch (verdict.verdict) {
    case 'PROVED':
      return `The model gives the language's label on ${verdict.domain}, at every length, in ${verdict.semantics}` +
        (verdict.every_order_of_operations ? ', for every order of operations.' : '.');
    case 'CERTIFIED':
      return `The model gives the language's label on every word up to length ${verdict.length}, in ${verdict.semantics}.`;
    case 'REFUTED':
      return `On a word of length ${verdict.length}${verdict.shortest ? ', a shortest one,' : ''} the language says ` +
        `${verdict.expected}, the model ${verdict.observed}, in ${verdict.semantics}.`;
    default:
      return `Not settled: ${verdict.reason ?? 'no method concluded'}` +
        (verdict.length === null ? '.' : `. Every word up to length ${verdict.length} agrees.`);
  }
}

export function verdictFacts(verdict) {
  return facts([
    ['word', verdict.word === null ? null : h('span', {class: 'word'}, wordText(verdict.word))],
    ['the labels part', verdict.position === null ? null : `at position ${verdict.position}`],
    ['method', verdict.method],
    ['states looked at', verdict.pairs ? String(verdict.pairs) : null],
    ['how', h('span', {}, verdict.rungs.map((rung) => h('div', {}, `${rung.method}: ${rung.outcome} (${rung.seconds.toFixed(rung.seconds < 0.1 ? 3 : 1)} s)`)))],
  ]);
}

export function save(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], {type}));
  const link = h('a', {href: url, download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function saveButton(label, name, content, type) {
  return h('button', {type: 'button', onclick: () => save(name, content(), type)}, label);
}

/** The figures and headings of a page of `krohn report`: figures by the heading that they stand under. */
export function figuresOf(page) {
  const document_ = new DOMParser().parseFromString(page, 'application/xhtml+xml');
  if (document_.querySelector('parsererror')) throw new Error('krohn report: expected well-formed XML');
  const found = {};
  let heading = '';
  for (const element of document_.body.children) {
    if (element.localName === 'h2') heading = element.textContent;
    const list = (found[heading] ??= {figures: [], notes: []});
    if (element.localName === 'figure') {
      list.figures.push({svg: element.querySelector('svg'), caption: element.querySelector('figcaption')?.textContent ?? ''});
    } else if (element.localName === 'p') {
      list.notes.push(element.textContent);
    }
  }
  return found;
}

/** A picture on paper, with its caption. */
export function picture({svg: drawing, caption}) {
  const copy = document.importNode(drawing, true);
  const width = Number((copy.getAttribute('viewBox') ?? '0 0 900 0').split(/\s+/)[2]);
  if (width <= 420) copy.classList.add('small');
  return h('figure', {}, h('div', {class: 'paper', tabindex: '0', role: 'group', 'aria-label': 'picture, scrolls where it is wide'}, copy),
    h('figcaption', {}, caption));
}

export function svgText(drawing) {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(drawing)}\n`;
}
