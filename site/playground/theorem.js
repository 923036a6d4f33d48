// The theorem tab: a made model that satisfies a theorem's hypothesis, and two words after which it carries the same bits.
import {lasso} from './drawings.js';
import {Fields} from './fields.js';
import {facts, h, saveButton, section, table, verdictCard} from './view.js';

const families = ['mamba', 'mamba2', 'gla', 'mlstm', 'linear_attn', 'rwkv6', 'hgrn2', 'hgrn', 'deltanet', 'gated_deltanet',
  'deltaproduct', 'kda', 'comba', 'gdn2', 'rwkv7', 'triangular'];

export class TheoremTab {
  constructor(app) {
    this.app = app;
    document.getElementById('family').append(...families.map((name) => h('option', {}, name)));
    this.fields = new Fields({which: 'which', family: 'family', range: 'range', format: 'theorem-format', layers: 'layers', size: 'size', seed: 'seed'});
    this.out = document.getElementById('theorem-results');
    document.getElementById('theorem-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.show();
    });
  }

  async restore(state) {
    this.fields.restore(state);
    if (state.which !== undefined) await this.show();
  }

  state() {
    return this.fields.values();
  }

  async show() {
    const {app} = this;
    const {which, family, range, format, layers, size, seed} = this.fields.values();
    app.problem('theorem', '');
    app.remember();
    await app.work('theorem', async (krohn) => {
      this.out.replaceChildren();
      app.says('searching for the two words');
      const result = await krohn.json(['refute', '--theorem', which, '--family', family, '--range', range, '--format', format,
        '--layers', layers, '--size', size, '--seed', seed, '--time-limit', '60'], {seconds: 65, onProgress: (text) => app.says(text)});
      this.out.append(this.render(result));
      app.announce(`${result.value.verdict}. ${result.value.conclusion}`);
    });
  }

  render({value: v, text, notes}) {
    const row = (power, expected) => [h('code', {class: 'word'}, powerText(power)), lengthOf(power), expected, v.observed];
    const pair = v.word_a_power === null ? null : [
      table('The two words', ['word', 'length', 'the language says', 'the model says'],
        [row(v.word_a_power, v.expected_a), row(v.word_b_power, v.expected_b)], {numeric: [false, true]}),
      h('p', {}, 'After both the model carries the same bits, so it gives both the same answer, whatever its readout.'),
    ];
    return section('What was found', [saveButton('JSON', 'refute.json', () => text, 'application/json')],
      verdictCard(v.verdict, `${v.model}: ${v.conclusion}.`),
      pair,
      v.transient === null ? null : lasso(Number(v.transient), Number(v.period), v.symbol),
      facts([
        ['theorem', v.source], ['language', v.language], ['hypothesis', `${v.hypothesis}${v.hypothesis_holds ? ': it holds' : ''}`],
        ['arithmetic', v.semantics], ['steps run', String(v.steps)], ['why not', v.reason], ['note', v.note]]),
      v.layers === null ? null : table('Layers', ['layer', 'eigenvalues', 'how they are known', 'steps until the orbit closes', 'period'],
        v.layers.map((layer, l) => [String(l), layer.spectrum, layer.method, layer.transient, layer.period]), {numeric: [true, false, false, true, true], long: true}),
      notes === '' ? null : h('p', {class: 'note'}, notes));
  }
}

const lengthOf = ({prefix, loop, exponent, suffix}) => prefix.length + loop.length * exponent + suffix.length;

function powerText({prefix, loop, exponent, suffix}) {
  const text = (word) => word.join('');
  const base = loop.length === 1 ? loop[0] : `(${text(loop)})`;
  return [text(prefix), `${base}^${exponent}`, text(suffix)].filter((part) => part !== '').join(' ');
}
