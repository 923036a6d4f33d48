// The theorem tab: a made model that satisfies a theorem's hypothesis, and two words after which it carries the same bits.
import {CommandError} from './krohn.js';
import {facts, h, saveButton, section, svg, table, verdictCard} from './view.js';

const families = ['mamba', 'mamba2', 'gla', 'mlstm', 'linear_attn', 'rwkv6', 'hgrn2', 'hgrn', 'deltanet', 'gated_deltanet',
  'deltaproduct', 'kda', 'comba', 'gdn2', 'rwkv7', 'triangular'];
const names = {which: 'which', family: 'family', range: 'range', format: 'theorem-format', layers: 'layers', size: 'size', seed: 'seed'};

export class TheoremTab {
  constructor(app) {
    this.app = app;
    document.getElementById('family').append(...families.map((name) => h('option', {}, name)));
    this.fields = Object.fromEntries(Object.entries(names).map(([name, id]) => [name, document.getElementById(id)]));
    this.out = document.getElementById('theorem-results');
    document.getElementById('theorem-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.show();
    });
  }

  async restore(state) {
    for (const [name, field] of Object.entries(this.fields)) if (state[name] !== undefined) field.value = state[name];
    if (state.which !== undefined) await this.show();
  }

  state() {
    return Object.fromEntries(Object.entries(this.fields).map(([name, field]) => [name, field.value]));
  }

  async show() {
    const {app, fields} = this;
    app.problem('theorem', '');
    app.remember();
    await app.work(async () => {
      this.out.replaceChildren();
      app.says('searching for the two words');
      try {
        const result = await app.krohn.json(['refute', '--theorem', fields.which.value, '--family', fields.family.value,
          '--range', fields.range.value, '--format', fields.format.value, '--layers', fields.layers.value, '--size', fields.size.value,
          '--seed', fields.seed.value, '--time-limit', '60'], {seconds: 65, onProgress: (text) => app.says(text)});
        this.out.append(...this.render(result));
        app.announce(`${result.value.verdict}. ${result.value.conclusion}`);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        app.problem('theorem', error.message);
      }
    });
  }

  render({value: v, text, notes}) {
    const power = (given, word) => (given === null ? word === null ? null : `${word.length} symbols` : powerText(given));
    const a = power(v.word_a_power, v.word_a);
    const b = power(v.word_b_power, v.word_b);
    const pair = a === null || b === null ? null : [
      table('The two words', ['word', 'length', 'the language says', 'the model says'], [
        [h('code', {class: 'word'}, a), v.word_a.length, {text: v.expected_a}, v.observed],
        [h('code', {class: 'word'}, b), v.word_b.length, {text: v.expected_b}, v.observed],
      ], {numeric: [false, true]}),
      h('p', {}, 'After both the model carries the same bits, so it gives both the same answer, whatever its readout.'),
    ];
    return [section('What was found', [saveButton('JSON', 'refute.json', () => text, 'application/json')],
      verdictCard(v.verdict, `${v.model}: ${v.conclusion}.`),
      pair,
      v.transient === null ? null : lasso(Number(v.transient), Number(v.period), v.symbol),
      facts([
        ['theorem', v.source], ['language', v.language], ['hypothesis', `${v.hypothesis}${v.hypothesis_holds ? ': it holds' : ''}`],
        ['arithmetic', v.semantics], ['steps run', String(v.steps)], ['why not', v.reason], ['note', v.note]]),
      v.layers === null ? null : table('Layers', ['layer', 'eigenvalues', 'how they are known', 'steps until the orbit closes', 'period'],
        v.layers.map((layer, l) => [String(l), layer.spectrum, layer.method, layer.transient, layer.period]), {numeric: [true, false, false, true, true], long: true}),
      notes === '' ? null : h('p', {class: 'note'}, notes))];
  }
}

function powerText({prefix, loop, exponent, suffix}) {
  const text = (word) => (word ?? []).join('');
  const base = loop.length === 1 ? loop[0] : `(${text(loop)})`;
  return [text(prefix), `${base}^${exponent}`, text(suffix)].filter((part) => part !== '').join(' ');
}

/** The orbit of what is carried on u^k: a tail, then a loop. Dots stand for states; the two words end on one dot. */
function lasso(transient, period, symbol) {
  const width = 640;
  const height = 150;
  const y = 80;
  const loopX = 500;
  const radius = 44;
  const text = `What is carried after ${symbol}^k takes ${transient} steps to enter a loop of period ${period}.`;
  const picture = svg('svg', {class: 'chart', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': text});
  picture.append(svg('title', {}, text), svg('line', {class: 'axis', x1: 30, x2: loopX - radius, y1: y, y2: y}));
  const dots = Math.min(transient, 8);
  for (let i = 0; i < dots; ++i) picture.append(svg('circle', {class: 'dot', r: 5, cx: 30 + (i * (loopX - radius - 30)) / Math.max(dots, 1), cy: y}));
  picture.append(svg('circle', {class: 'axis', cx: loopX, cy: y, r: radius, fill: 'none'}));
  const around = Math.min(Math.max(period, 1), 12);
  for (let i = 0; i < around; ++i) {
    const angle = Math.PI + (2 * Math.PI * i) / around;
    picture.append(svg('circle', {class: i === 0 ? 'dot mark' : 'dot', r: i === 0 ? 7 : 5, cx: loopX + radius * Math.cos(angle), cy: y + radius * Math.sin(angle)}));
  }
  const label = (x, at, words, className = '') => picture.append(svg('text', {x, y: at, class: className}, words));
  label(24, y - 16, `${symbol}^0`);
  label(180, y + 26, transient > dots ? `${transient} steps (a few drawn)` : `${transient} steps`);
  label(loopX - radius - 110, y - 16, `${symbol}^${transient} = ${symbol}^${transient + period}`, 'strong');
  label(loopX - 30, y + 4, `period ${period}`);
  return h('figure', {}, h('div', {class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'picture, scrolls where it is wide'}, picture), h('figcaption', {}, text));
}
