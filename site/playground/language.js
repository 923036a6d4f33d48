// The language tab: text or a file in; automaton, algebra, families, cascade, layers, a run, and the verdict out.
import {archive} from './archive.js';
import {Fields} from './fields.js';
import {bytesOf, onChosen} from './files.js';
import {CommandError, messages, searchMemory} from './krohn.js';
import {readSafetensors} from './safetensors.js';
import {readTables, rowText} from './tables.js';
import {facts, figuresOf, h, picture, saveButton, section, svgText, table, verdictCard, verdictFacts, verdictText} from './view.js';
import {WordSteps} from './word.js';

const examples = ['parity', 're:(aaa)*(bb)*', 're:(a|b)*abb', 'word:S3', 'dyck:1,3', 'A:5', 'word:S5', 'modarith:5'];
const rowsShown = 60;

export class LanguageTab {
  constructor(app) {
    this.app = app;
    this.file = null;
    this.result = null;
    this.steps = new WordSteps(app, this);
    this.fields = new Fields({lang: 'lang', alphabet: 'alphabet', format: 'format', seconds: 'seconds'});
    this.drop = document.getElementById('language-form');
    this.out = document.getElementById('language-results');
    this.drop.addEventListener('submit', (event) => {
      event.preventDefault();
      // Another language has other words.
      this.show(this.result?.asked.lang === this.question().lang ? this.word : undefined);
    });
    for (const example of examples) {
      document.getElementById('language-examples').append(h('button', {type: 'button', class: 'chip', onclick: () => {
        this.fields.restore({lang: example});
        this.show();
      }}, example));
    }
    onChosen(document.getElementById('language-file'), (files) => this.take(files));
  }

  /** A file stands in for the text. */
  async take(files) {
    const {app} = this;
    try {
      if (files.length !== 1) throw new Error(`expected one file of an automaton, got ${files.length}`);
      this.file = {name: files[0].name, bytes: await bytesOf(files[0])};
    } catch (error) {
      app.problem('language', error.message);
      return;
    }
    this.fields.restore({...this.fields.state(), lang: this.file.name});
    await this.show();
  }

  async listCatalogue(krohn) {
    const {value} = await krohn.json(['classify', '--list']);
    document.getElementById('catalogue').append(...value.catalogue.map(({example, description}) => h('option', {value: example}, description)));
  }

  /** From a link. */
  async restore(state) {
    this.fields.restore(state);
    await this.show(state.word);
  }

  state() {
    return {lang: this.fields.value('lang'), ...this.fields.state(), ...(this.word !== undefined && {word: this.word})};
  }

  question() {
    const {lang, alphabet, format, seconds} = this.fields.values();
    const name = lang.trim();
    const ofFile = this.file?.name === name;
    // A file's name is no option and no other way to name a language.
    const plain = ofFile ? /^\w[\w .-]*\.\w+$/.test(name) : !name.startsWith('-');
    return {
      lang: plain ? name : `./${name}`,
      files: ofFile ? {[name]: this.file.bytes} : {},
      options: alphabet.trim() === '' ? [] : ['--alphabet', alphabet.trim()],
      format: format === '' ? [] : ['--format', format],
      seconds: Number(seconds),
    };
  }

  /** @param {string} [word] that is run first */
  async show(word) {
    const {app} = this;
    this.word = word;
    const asked = this.question();
    app.problem('language', '');
    app.remember();
    await app.work('language', async (krohn) => {
      this.out.replaceChildren();
      this.result = null;
      const how = (what, more = {}) => {
        app.says(what);
        return {files: asked.files, seconds: asked.seconds, onProgress: (line) => app.says(`${what}: ${line}`), ...more};
      };
      const compiled = await krohn.json(['compile', asked.lang, '-o', 'model', ...asked.options], how('compiling', {keep: ['model']}));
      const files = {...asked.files, ...compiled.files};
      const checked = await krohn.json(['check', 'model', asked.lang, '--certificate', 'certificate', '--memory', searchMemory, '--time-limit', String(asked.seconds), ...asked.options, ...asked.format],
        how('proving', {files, keep: ['certificate'], seconds: asked.seconds + 5}));
      const {tensors} = readSafetensors(files['model/model.safetensors']);
      this.result = {asked, files, compiled: compiled.value, checked: checked.value, certificate: checked.files.certificate,
        tables: readTables(tensors), config: JSON.parse(new TextDecoder().decode(files['model/config.json']))};
      this.out.append(this.verdict(compiled, checked));
      app.announce(`${checked.value.verdict}. ${verdictText(checked.value)}`);
      // What one of these lacks the time or the memory for says so in its place; the others follow.
      const put = async (title, make, before = null) => {
        let shown;
        try {
          shown = await make();
        } catch (error) {
          if (!(error instanceof CommandError)) throw error;
          shown = section(title, [], h('p', {class: 'problem'}, error.message));
        }
        this.out.insertBefore(shown, before);
        return shown;
      };
      const word = await put('A word, step by step', () => this.steps.section(krohn));
      let figures = {};
      await put('Minimal automaton and algebra', async () => {
        const report = await krohn.run(['report', asked.lang, '-o', 'report.html', '--words', '10', '--length', '16', ...asked.options],
          how('drawing', {keep: ['report.html']}));
        if (report.code !== 0) throw new CommandError(report.code, messages(report.stderr));
        const page = new TextDecoder().decode(report.files['report.html']);
        figures = figuresOf(page);
        return this.automaton(figures, page);
      }, word);
      await put('Which linear RNN can do it, and by which theorem',
        async () => this.families(await krohn.json(['classify', asked.lang, ...asked.options], how('classifying'))), word);
      await put('Cascade', async () => {
        const levels = await krohn.run(['inspect', 'model', '--levels'], how('cascade', {files}));
        return this.cascade(figures, new TextDecoder().decode(levels.stdout), compiled.value);
      }, word);
      this.out.insertBefore(this.layers(), word);
    });
  }

  verdict(compiled, checked) {
    const v = checked.value;
    const c = compiled.value;
    const hidden = c.hidden.reduce((sum, size) => sum + size, 0);
    const steps = c.num_householder === null ? null : Math.max(0, ...c.num_householder);
    return section('Verdict', [
      saveButton('Certificate', 'certificate', () => this.result.certificate, 'application/octet-stream'),
      saveButton('Model and certificate (.tar)', 'model.tar', () => new Blob(archive({...this.modelFiles(), certificate: this.result.certificate})), 'application/x-tar'),
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
    return section('Layers', [saveButton('Model (.tar)', 'model.tar', () => new Blob(archive(this.modelFiles())), 'application/x-tar')],
      h('p', {class: 'note'}, 'Every token applies one row of each layer: a gate, generalized Householder factors I - β k kᵀ (the first one on the right), a write. e0, e1, .. are unit vectors.'),
      parts.length ? parts : h('p', {class: 'note'}, 'No layers: the last symbol decides.'));
  }
}
