// A word, step by step: what each layer carries, the rows that it applies, the slots that it decodes, the label.
import {bars} from './drawings.js';
import {messages} from './krohn.js';
import {readSafetensors} from './safetensors.js';
import {follow} from './tables.js';
import {h, section, table, wordText} from './view.js';

const positionsShown = 200;

/** A word's symbols, as krohn reads a line: one a character where all are, else separated by spaces; "" is the empty word. */
export function splitWord(text, alphabet) {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === '""') return [];
  if (alphabet.every((name) => [...name].length === 1) && !/\s/.test(trimmed)) return [...trimmed];
  return trimmed.split(/\s+/);
}

/** A word to begin with. */
function someWord(alphabet) {
  const symbols = Array.from({length: 8}, (_, i) => alphabet[(i * i + Math.floor(i / 2)) % alphabet.length]);
  return symbols.join(alphabet.every((name) => [...name].length === 1) ? '' : ' ');
}

export class WordSteps {
  /** @param tab the language tab: what it compiled, and the word of its link */
  constructor(app, tab) {
    this.app = app;
    this.tab = tab;
  }

  /** A word, step by step. */
  async section(krohn) {
    const {config} = this.tab.result;
    const input = h('input', {id: 'word', spellcheck: 'false', autocapitalize: 'off', 'aria-describedby': 'word-problem'});
    input.value = this.tab.word ?? someWord(config.alphabet);
    const problem = h('p', {class: 'problem', id: 'word-problem', role: 'alert', hidden: true});
    const steps = h('div', {id: 'steps'});
    const label = config.alphabet.every((name) => [...name].length === 1) ? 'A word' : 'A word, symbols separated by spaces';
    const form = h('form', {class: 'row', onsubmit: (event) => {
      event.preventDefault();
      this.tab.word = input.value;
      this.app.remember();
      this.app.work('language', (session) => this.step(session, input, problem, steps));
    }}, input, h('button', {type: 'submit'}, 'Run'));
    await this.step(krohn, input, problem, steps);
    return section('A word, step by step', [], h('label', {for: 'word'}, label), form, problem, steps);
  }

  async step(krohn, input, problem, out) {
    const {files, asked, tables, config} = this.tab.result;
    this.app.says('running the word');
    const result = await krohn.run(['run', 'model', '--states', 'every', '-o', 'states', ...asked.format],
      {files, keep: ['states'], stdin: `${input.value.trim() === '' ? '""' : input.value.trim()}\n`, seconds: asked.seconds});
    const bad = result.code !== 0;
    input.setAttribute('aria-invalid', String(bad));
    problem.hidden = !bad;
    problem.textContent = bad ? messages(result.stderr) : '';
    out.replaceChildren();
    if (bad) return;
    const {tensors} = readSafetensors(result.files.states);
    const labels = tensors.labels.values;
    const length = labels.length - 1;
    const symbols = splitWord(input.value, config.alphabet);
    const carried = tables.layers.map((layer, l) => {
      const {values} = tensors[`S.${l}`];
      const size = layer.shape[0] * layer.shape[1];
      return (t) => values.slice(t * size, (t + 1) * size);
    });
    const most = tables.layers.map((layer, l) => tensors[`S.${l}`].values.reduce((largest, x) => Math.max(largest, Math.abs(x)), 1e-30));
    const name = (number) => (number < 0 ? '?' : config.label_names[number]);
    const rows = [];
    for (let t = 0; t <= Math.min(length, positionsShown); ++t) {
      const symbol = t === 0 ? null : config.alphabet.indexOf(symbols[t - 1]);
      const way = t === 0 ? null : follow(tables, symbol, carried.map((at) => at(t - 1)), carried.map((at) => at(t)));
      rows.push([String(t), t === 0 ? h('em', {}, 'start') : h('code', {}, symbols[t - 1]), h('strong', {}, name(labels[t])),
        ...tables.layers.flatMap((layer, l) => {
          const values = carried[l](t);
          const step = way?.steps[l];
          return [values.length > 64 ? `${values.length} numbers` : bars(values, most[l], `layer ${l}: ${values.map((x) => Number(x.toPrecision(5))).join(', ')}`),
            step === undefined || step === null ? '' : `row ${step.action}, slot ${step.slot ?? 'tie'}`];
        })]);
    }
    const head = ['', 'symbol', 'label', ...tables.layers.flatMap((_, l) => [`carried, layer ${l}`, `decode ${l}`])];
    out.append(table('The word step by step', head, rows, {numeric: [true], className: 'steps'}));
    if (length > positionsShown) out.append(h('p', {class: 'note'}, `The first ${positionsShown} of ${length} positions.`));
    out.append(h('p', {}, 'The whole word ', h('span', {class: 'word'}, wordText(symbols)), ' has the label ', h('strong', {id: 'word-label'}, name(labels[length])), '.'));
  }
}
