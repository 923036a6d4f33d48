// The language tab: text or a file in; automaton, algebra, families, cascade, layers, a run, and the verdict out.
import {CommandError, messages} from './krohn.js';
import {readSafetensors} from './safetensors.js';
import {follow, readTables, rowText} from './tables.js';
import {archive, bars, facts, figuresOf, h, picture, saveButton, section, svgText, table, verdictCard, verdictFacts, verdictText, wordText} from './view.js';

const examples = ['parity', 're:(aaa)*(bb)*', 're:(a|b)*abb', 'word:S3', 'dyck:1,3', 'A:5', 'word:S5', 'modarith:5'];
const rowsShown = 60;
const positionsShown = 200;

export class LanguageTab {
  constructor(app) {
    this.app = app;
    this.file = null;
    this.result = null;
    const field = (id) => document.getElementById(id);
    this.fields = {lang: field('lang'), alphabet: field('alphabet'), format: field('format'), seconds: field('seconds')};
    this.form = field('language-form');
    this.out = field('language-results');
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.show();
    });
    for (const example of examples) {
      field('lang-examples').append(h('button', {type: 'button', class: 'chip', onclick: () => {
        this.fields.lang.value = example;
        this.fields.alphabet.value = '';
        this.show();
      }}, example));
    }
    field('lang-file').addEventListener('change', (event) => this.take([...event.target.files]));
    app.acceptDrops(this.form, (files) => this.take(files));
  }

  /** A file stands in for the text. */
  async take([file]) {
    if (file === undefined) return;
    this.file = {name: file.name.replaceAll('/', '_'), bytes: new Uint8Array(await file.arrayBuffer())};
    this.fields.lang.value = this.file.name;
    await this.show();
  }

  async listCatalogue() {
    const {value} = await this.app.krohn.json(['classify', '--list']);
    document.getElementById('catalogue').append(...value.catalogue.map(({example, description}) => h('option', {value: example}, description)));
  }

  /** From a link. */
  async restore(state) {
    for (const name of ['lang', 'alphabet', 'format']) if (state[name] !== undefined) this.fields[name].value = state[name];
    this.word = state.word;
    await this.show();
  }

  state() {
    const state = {lang: this.fields.lang.value};
    for (const name of ['alphabet', 'format']) if (this.fields[name].value !== '') state[name] = this.fields[name].value;
    if (this.word !== undefined) state.word = this.word;
    return state;
  }

  question() {
    const lang = this.fields.lang.value.trim();
    const ofFile = this.file !== null && this.file.name === lang;
    const alphabet = this.fields.alphabet.value.trim();
    return {
      lang,
      files: ofFile ? {[lang]: this.file.bytes} : {},
      options: alphabet === '' ? [] : ['--alphabet', alphabet],
      format: this.fields.format.value === '' ? [] : ['--format', this.fields.format.value],
      seconds: Number(this.fields.seconds.value),
    };
  }

  async show() {
    const {app} = this;
    const asked = this.question();
    app.problem('lang', '');
    app.remember();
    await app.work(async () => {
      this.out.replaceChildren();
      this.result = null;
      const how = (text, more = {}) => ({files: asked.files, seconds: asked.seconds, onProgress: (line) => app.says(`${text}: ${line}`), ...more});
      const name = asked.lang.startsWith('-') ? `./${asked.lang}` : asked.lang;
      try {
        app.says('compiling');
        const compiled = await app.krohn.json(['compile', name, '-o', 'model', ...asked.options], how('compiling', {keep: ['model']}));
        const files = {...asked.files, ...compiled.files};
        app.says('proving');
        const checked = await app.krohn.json(['check', 'model', name, '--certificate', 'certificate', '--memory', '256M', '--time-limit', String(asked.seconds), ...asked.options, ...asked.format],
          how('proving', {files, keep: ['certificate'], seconds: asked.seconds + 5}));
        this.result = {name: asked.lang, asked, files, compiled: compiled.value, checked: checked.value, certificate: checked.files.certificate};
        this.out.append(this.verdict(compiled, checked));
        app.announce(`${checked.value.verdict}. ${verdictText(checked.value)}`);
        const {tensors} = readSafetensors(files['model/model.safetensors']);
        this.result.tables = readTables(tensors);
        this.result.config = JSON.parse(new TextDecoder().decode(files['model/config.json']));
        const run = await this.run();
        this.out.append(run);
        app.says('drawing');
        const report = await app.krohn.run(['report', name, '-o', 'report.html', '--words', '10', '--length', '16', ...asked.options],
          how('drawing', {keep: ['report.html']}));
        if (report.code !== 0) throw new CommandError(report.code, messages(report.stderr));
        const page = new TextDecoder().decode(report.files['report.html']);
        this.out.insertBefore(this.automaton(figuresOf(page), page), run);
        app.says('classifying');
        const classified = await app.krohn.json(['classify', name, ...asked.options], how('classifying'));
        this.out.insertBefore(this.families(classified), run);
        const levels = await app.krohn.run(['inspect', 'model', '--levels'], how('cascade', {files}));
        this.out.insertBefore(this.cascade(figuresOf(page), new TextDecoder().decode(levels.stdout), compiled.value), run);
        this.out.insertBefore(this.layers(), run);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        app.problem('lang', error.message);
      }
    });
  }

  verdict(compiled, checked) {
    const v = checked.value;
    const c = compiled.value;
    const hidden = c.hidden.reduce((sum, size) => sum + size, 0);
    const steps = c.num_householder === null ? null : Math.max(0, ...c.num_householder);
    return section('Verdict', [
      saveButton('Certificate', 'certificate', () => this.result.certificate, 'application/octet-stream'),
      saveButton('Model and certificate (.tar)', 'model.tar', () => archive({...this.modelFiles(), certificate: this.result.certificate}), 'application/x-tar'),
      saveButton('JSON', 'check.json', () => checked.text, 'application/json'),
      h('button', {type: 'button', onclick: () => this.app.verifyFromLanguage()}, 'Verify the certificate'),
    ], verdictCard(v.verdict, verdictText(v)),
    facts([
      ['model', `${c.layers} ${c.layers === 1 ? 'layer' : 'layers'}, ${hidden} numbers carried` +
        (steps === null ? '' : `, at most ${steps} Householder ${steps === 1 ? 'factor' : 'factors'} a token`)],
      ['levels', `${c.levels} (bound |Q|-1: ${c.linear_bound}; the paper's 2^|Q|: 2^${c.minimal_states})`],
      ['exact', c.exact ? 'at every length' : c.horizon ? `up to length ${c.horizon}` : c.exact === null ? null : 'no'],
      ['automaton', `${c.states} states, minimal ${c.minimal_states}; ${c.symbols} symbols, ${c.distinct_letters} that act differently`],
    ]),
    h('details', {class: 'more'}, h('summary', {}, 'How it was found'), verdictFacts(v)),
    compiled.notes === '' ? null : h('p', {class: 'note'}, compiled.notes));
  }

  modelFiles() {
    return Object.fromEntries(Object.entries(this.result.files).filter(([path]) => path.startsWith('model/')));
  }

  automaton(parts, page) {
    const figures = parts.Automaton?.figures ?? [];
    const algebra = parts.Algebra ?? {figures: [], notes: []};
    const save = (label, name, list) => list.map(({svg}) => saveButton(label, name, () => svgText(svg), 'image/svg+xml'));
    return section('Minimal automaton and algebra', [
      ...save('Automaton (SVG)', 'automaton.svg', figures.slice(0, 1)),
      ...save('Egg-box (SVG)', 'egg-box.svg', algebra.figures.slice(0, 1)),
      saveButton('Report (HTML)', 'report.html', () => page, 'application/xhtml+xml'),
    ], h('div', {class: 'pair'}, [...figures, ...algebra.figures].map(picture)),
    [...(parts.Automaton?.notes ?? []), ...algebra.notes].map((text) => h('p', {class: 'note'}, text)));
  }

  families(classified) {
    const c = classified.value;
    const yes = (flag) => (flag === null ? 'unknown' : flag ? 'yes' : 'no');
    const groups = (c.maximal_subgroups ?? []).map((group) => group.name).join(', ');
    const rows = c.families.map((f) => [
      f.family, f.models, {text: f.answer, class: f.answer}, f.layers, f.num_householder,
      [f.reason, f.theorem === null ? null : h('div', {class: 'hint'}, `${f.theorem} (${f.source}${f.basis === 'paper' ? ', no proof here' : ''}); ${f.arithmetic}`)],
    ].map((cell) => (Array.isArray(cell) ? {text: h('div', {}, cell)} : cell)));
    return section('Which linear RNN can do it, and by which theorem', [
      saveButton('JSON', 'classify.json', () => classified.text, 'application/json'),
    ], facts([
      ['monoid', c.monoid_order === null ? 'order unknown' : `${c.monoid_order} elements`],
      ['groups in it', groups === '' ? 'trivial ones only' : groups],
      ['aperiodic (star-free)', yes(c.is_aperiodic)],
      ['all groups solvable', yes(c.all_groups_solvable)],
      ['circuits', c.circuit_class],
    ]), table('Families of linear RNNs', ['family', 'models', 'answer', 'layers', 'n_h', 'why; theorem'], rows,
      {numeric: [false, false, false, true, true], long: true}));
  }

  cascade(parts, text, compiled) {
    const found = parts.Cascade ?? {figures: [], notes: []};
    return section('Cascade', found.figures.map(({svg}) => saveButton('SVG', 'cascade.svg', () => svgText(svg), 'image/svg+xml')),
      h('p', {class: 'note'}, `${compiled.levels} ${compiled.levels === 1 ? 'level' : 'levels'} of permutation-reset components, from the top down; each reads the symbol and what the levels above decode.`),
      found.figures.map(picture), found.notes.map((note) => h('p', {class: 'note'}, note)),
      h('details', {class: 'more'}, h('summary', {}, 'Level by level, as text'), h('pre', {tabindex: '0'}, text.slice(text.indexOf('\nlayer') + 1))));
  }

  /** Of each layer, by input row: the symbol and the slots above that lead there. */
  contexts() {
    const {tables, config} = this.result;
    const reached = tables.layers.map(() => new Map());
    const note = (l, row, text) => {
      if (row < 0) return;
      const texts = reached[l].get(row) ?? [];
      if (texts.length < 6 && !texts.includes(text)) texts.push(text);
      reached[l].set(row, texts);
    };
    if (tables.layers.length > 0) tables.symbolRow.forEach((row, symbol) => note(0, row, config.alphabet[symbol]));
    for (let l = 0; l + 1 < tables.layers.length; ++l) {
      const layer = tables.layers[l];
      for (const [row, texts] of reached[l]) {
        for (const slot of layer.readouts[layer.rowReadout[row]].keys()) {
          for (const text of texts) note(l + 1, layer.next[layer.rowNext[row] + slot], `${text}·${slot}`);
        }
      }
    }
    return reached;
  }

  layers() {
    const {tables} = this.result;
    const contexts = this.contexts();
    const parts = tables.layers.map((layer, l) => {
      const users = layer.rows.map(() => []);
      for (const [row, texts] of contexts[l]) users[layer.rowAction[row]].push(...texts);
      const rows = layer.rows.slice(0, rowsShown).map((row, r) => [
        String(r), h('code', {}, rowText(row)), row.factors.length,
        users[r].length > 12 ? `${users[r].slice(0, 12).join(', ')}, .. (${users[r].length})` : users[r].join(', ')]);
      return [
        h('h3', {}, `Layer ${l}: ${layer.shape.join(' x ')}, ${layer.readsBefore ? 'decoded before' : 'decoded after'} its update`),
        table(`Rows of layer ${l}`, ['row', 'h becomes', 'factors', l === 0 ? 'on the symbols' : 'on symbol·slots above'], rows, {numeric: [true, false, true]}),
        layer.rows.length > rowsShown ? h('p', {class: 'note'}, `${layer.rows.length - rowsShown} more rows are in the model's file.`) : null,
      ];
    });
    return section('Layers', [saveButton('Model (.tar)', 'model.tar', () => archive(this.modelFiles()), 'application/x-tar')],
      h('p', {class: 'note'}, 'Every token applies one row of each layer: a gate, generalized Householder factors I - β k kᵀ (the first one on the right), a write. e0, e1, .. are unit vectors.'),
      parts.length ? parts : h('p', {class: 'note'}, 'No layers: the last symbol decides.'));
  }

  /** A word, step by step. */
  async run() {
    const {config} = this.result;
    const input = h('input', {id: 'word', spellcheck: 'false', autocapitalize: 'off', 'aria-describedby': 'word-problem'});
    input.value = this.word ?? this.someWord(config.alphabet);
    const problem = h('p', {class: 'problem', id: 'word-problem', role: 'alert', hidden: true});
    const steps = h('div', {id: 'steps'});
    const label = config.alphabet.every((name) => [...name].length === 1) ? 'A word' : 'A word, symbols separated by spaces';
    const form = h('form', {class: 'row', onsubmit: (event) => {
      event.preventDefault();
      this.word = input.value;
      this.app.remember();
      this.app.work(() => this.step(input, problem, steps));
    }}, input, h('button', {type: 'submit'}, 'Run'));
    await this.step(input, problem, steps);
    return section('A word, step by step', [], h('label', {for: 'word'}, label), form, problem, steps);
  }

  someWord(alphabet) {
    const symbols = Array.from({length: 8}, (_, i) => alphabet[(i * i + Math.floor(i / 2)) % alphabet.length]);
    return symbols.join(alphabet.every((name) => [...name].length === 1) ? '' : ' ');
  }

  async step(input, problem, out) {
    const {files, asked, tables, config} = this.result;
    const result = await this.app.krohn.run(['run', 'model', '--states', 'every', '-o', 'states', ...asked.format],
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
    const most = tables.layers.map((layer, l) => Math.max(1e-30, ...tensors[`S.${l}`].values.map(Math.abs)));
    const name = (number) => (number < 0 ? '?' : config.label_names[number]);
    const rows = [];
    for (let t = 0; t <= Math.min(length, positionsShown); ++t) {
      const symbol = t === 0 ? null : config.alphabet.indexOf(symbols[t - 1]);
      const way = t === 0 ? null : follow(tables, symbol, carried.map((at) => at(t - 1)), carried.map((at) => at(t)));
      rows.push([String(t), t === 0 ? h('em', {}, 'start') : h('code', {}, symbols[t - 1]),
        ...tables.layers.flatMap((layer, l) => {
          const values = carried[l](t);
          const step = way?.steps[l];
          return [values.length > 64 ? `${values.length} numbers` : bars(values, most[l], `layer ${l}: ${values.map((x) => Number(x.toPrecision(5))).join(', ')}`),
            step === undefined || step === null ? '' : `row ${step.action}, slot ${step.slot ?? 'tie'}`];
        }), h('strong', {}, name(labels[t]))]);
    }
    const head = ['', 'symbol', ...tables.layers.flatMap((_, l) => [`carried, layer ${l}`, `decode ${l}`]), 'label'];
    out.append(table('The word step by step', head, rows, {numeric: [true], className: 'steps'}));
    if (length > positionsShown) out.append(h('p', {class: 'note'}, `The first ${positionsShown} of ${length} positions.`));
    out.append(h('p', {}, 'The whole word ', h('span', {class: 'word'}, wordText(symbols)), ' has the label ', h('strong', {id: 'word-label'}, name(labels[length])), '.'));
  }
}

/** A word's symbols, as krohn reads a line: one a character where all are, else separated by spaces; "" is the empty word. */
export function splitWord(text, alphabet) {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === '""') return [];
  if (alphabet.every((name) => [...name].length === 1) && !/\s/.test(trimmed)) return [...trimmed];
  return trimmed.split(/\s+/);
}
