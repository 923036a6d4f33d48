// The checkpoint tab: a trained model's files in; its verdict, the refuting word, accuracy by length and hardening out.
import {CommandError, exit} from './krohn.js';
import {archive, facts, h, saveButton, section, svg, table, unarchive, verdictCard, verdictFacts, verdictText} from './view.js';

const example = ['config.json', 'model.safetensors', 'task.json'];

/** Files that were dropped, by name without folders; an archive is opened. */
export async function readFiles(list) {
  const files = {};
  for (const file of list) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const inner = file.name.endsWith('.tar') ? unarchive(bytes) : {[file.name]: bytes};
    for (const [path, content] of Object.entries(inner)) files[path.slice(path.lastIndexOf('/') + 1)] = content;
  }
  return files;
}

/** The files by name and size, each with a button that takes it away again. */
export function listFiles(list, files, changed) {
  list.replaceChildren(...Object.entries(files).map(([name, bytes]) => h('li', {}, `${name} (${sizeText(bytes.length)}) `,
    h('button', {type: 'button', class: 'chip', 'aria-label': `take ${name} away`, onclick: () => {
      delete files[name];
      changed();
    }}, '×'))));
}

function sizeText(bytes) {
  return bytes < 10240 ? `${bytes} bytes` : bytes < 10485760 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / 1048576)} MiB`;
}

export class CheckpointTab {
  constructor(app) {
    this.app = app;
    this.files = {};
    const field = (id) => document.getElementById(id);
    this.lang = field('checkpoint-lang');
    this.seconds = field('checkpoint-seconds');
    this.harden = field('harden');
    this.list = field('checkpoint-list');
    this.out = field('checkpoint-results');
    field('checkpoint-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.show();
    });
    field('checkpoint-files').addEventListener('change', (event) => this.take([...event.target.files]));
    field('checkpoint-example').addEventListener('click', () => this.takeExample());
    app.acceptDrops(field('checkpoint-drop'), (files) => this.take(files));
  }

  restore() {}

  state() {
    return {};
  }

  async take(list) {
    try {
      Object.assign(this.files, await readFiles(list));
      this.app.problem('checkpoint', '');
    } catch (error) {
      this.app.problem('checkpoint', error.message);
    }
    this.shown();
  }

  shown() {
    listFiles(this.list, this.files, () => this.shown());
  }

  async takeExample() {
    this.files = {};
    for (const name of example) {
      const response = await fetch(`example/${name}`);
      if (!response.ok) throw new Error(`example/${name}: ${response.status}`);
      this.files[name] = new Uint8Array(await response.arrayBuffer());
    }
    this.shown();
    await this.show();
  }

  async show() {
    const {app} = this;
    app.problem('checkpoint', '');
    if (Object.keys(this.files).length === 0) {
      app.problem('checkpoint', 'expected the files of a model, got none');
      return;
    }
    const files = Object.fromEntries(Object.entries(this.files).map(([name, bytes]) => [`model/${name}`, bytes]));
    const lang = this.lang.value.trim();
    const language = lang === '' ? [] : [lang];
    const seconds = Number(this.seconds.value);
    const limit = ['--time-limit', String(seconds)];
    await app.work(async () => {
      this.out.replaceChildren();
      const how = (text, more) => ({files, seconds: 3 * seconds + 10, onProgress: (line) => app.says(`${text}: ${line}`), ...more});
      try {
        app.says('checking');
        const checked = await app.krohn.json(['check', 'model', ...language, '--certificate', 'certificate', '--memory', '256M', ...limit], how('checking', {keep: ['certificate']}));
        this.out.append(this.verdict(checked));
        app.announce(`${checked.value.verdict}. ${verdictText(checked.value)}`);
        app.says('measuring accuracy');
        const accuracy = await app.krohn.json(['accuracy', 'model', ...language, '--words', '128', ...limit], how('accuracy'));
        this.out.append(this.accuracy(accuracy));
        if (!this.harden.checked) return;
        app.says('hardening');
        const hardened = await app.krohn.json(['harden', 'model', ...language, '-o', 'hardened', '--certificate', 'certificate', ...limit],
          how('hardening', {keep: ['hardened', 'certificate']}), [exit.ok, exit.refuted, exit.unknown]);
        this.out.append(this.hardening(hardened));
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        app.problem('checkpoint', error.message);
      }
    });
  }

  verdict(checked) {
    const v = checked.value;
    const families = v.failing?.families ?? [];
    return section('Verdict', [
      saveButton('Certificate', 'certificate', () => checked.files.certificate, 'application/octet-stream'),
      saveButton('JSON', 'check.json', () => checked.text, 'application/json'),
    ], verdictCard(v.verdict, verdictText(v)), verdictFacts(v),
    families.length === 0 ? null : [h('h3', {}, 'Families of failing words'),
      table('Families of failing words', ['word', 'fails'], families.map((f) => [h('code', {}, f.text), f.failing]), {long: true})],
    checked.notes === '' ? null : h('p', {class: 'note'}, checked.notes));
  }

  accuracy(measured) {
    const v = measured.value;
    const text = (p) => `${p.value.toFixed(4)} (${p.low.toFixed(4)} to ${p.high.toFixed(4)})`;
    return section('Accuracy by length', [saveButton('JSON', 'accuracy.json', () => measured.text, 'application/json')],
      h('p', {class: 'note'}, `${v.words} random words of each length, with 95 % confidence intervals. Accuracy on random words is no verdict.`),
      chart(v.lengths, v.chance),
      table('Accuracy by length', ['length', 'words', 'per position', 'last symbol', 'whole words'],
        v.lengths.map((one) => [String(one.length), one.words, text(one.position), text(one.last), text(one.sequence)]), {numeric: [true, true]}));
  }

  hardening(hardened) {
    const v = hardened.value;
    const files = Object.fromEntries(Object.entries(hardened.files).filter(([path]) => path.startsWith('hardened/')));
    const saves = Object.keys(files).length === 0 ? [] : [
      saveButton('Hardened model (.tar)', 'hardened.tar', () => archive(files), 'application/x-tar'),
      saveButton('Certificate', 'certificate', () => hardened.files.certificate, 'application/octet-stream')];
    return section('Hardened: states snapped to a few codes', [...saves, saveButton('JSON', 'harden.json', () => hardened.text, 'application/json')],
      verdictCard(v.verdict, verdictText(v)),
      facts([
        ['is', 'another function than the model: after every token what is carried is snapped to states that the model itself meets'],
        ['what can be carried', v.hardening?.configurations === undefined ? null : `${v.hardening.configurations} configurations`],
        ['the model itself', v.original?.verdict]]),
      hardened.notes === '' ? null : h('p', {class: 'note'}, hardened.notes));
  }
}

/** Shares of right answers against length on a logarithmic axis. */
function chart(lengths, chance) {
  const width = 640;
  const height = 240;
  const left = 48;
  const right = 16;
  const top = 14;
  const bottom = 40;
  const least = Math.log2(lengths[0].length);
  const most = Math.max(least + 1, Math.log2(lengths.at(-1).length));
  const x = (length) => left + ((Math.log2(length) - least) / (most - least)) * (width - left - right);
  const y = (share) => top + (1 - share) * (height - top - bottom);
  const text = `Accuracy by length: per position ${lengths.map((one) => `${one.position.value.toFixed(2)} at ${one.length}`).join(', ')}.`;
  const drawing = svg('svg', {class: 'chart', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': text});
  drawing.append(svg('title', {}, text));
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    drawing.append(svg('line', {class: 'axis', x1: left, x2: width - right, y1: y(share), y2: y(share)}),
      svg('text', {x: left - 8, y: y(share) + 4, 'text-anchor': 'end'}, String(share)));
  }
  for (const {length} of lengths) drawing.append(svg('text', {x: x(length), y: height - bottom + 18, 'text-anchor': 'middle'}, String(length)));
  drawing.append(svg('text', {x: (left + width - right) / 2, y: height - 4, 'text-anchor': 'middle'}, 'length of the word'),
    svg('text', {x: width - right, y: y(chance) - 4, 'text-anchor': 'end'}, 'chance'));
  const points = (of) => lengths.map((one) => `${x(one.length).toFixed(1)},${y(of(one)).toFixed(1)}`);
  const band = [...points((one) => one.position.high), ...points((one) => one.position.low).reverse()];
  drawing.append(svg('polygon', {class: 'band', points: band.join(' ')}),
    svg('polyline', {class: 'curve', points: points((one) => one.position.value).join(' ')}),
    svg('polyline', {class: 'curve second', points: points((one) => one.sequence.value).join(' ')}));
  return h('figure', {}, h('div', {class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'picture, scrolls where it is wide'}, drawing), h('figcaption', {}, 'Full line: per position, with its confidence interval. Dashed: whole words.'));
}
