// The checkpoint tab: a trained model's files in; its verdict, the refuting word, accuracy by length and hardening out.
import {archive} from './archive.js';
import {accuracyChart} from './drawings.js';
import {Fields} from './fields.js';
import {FilesTab} from './files.js';
import {searchMemory} from './krohn.js';
import {facts, h, saveButton, section, table, verdictCard, verdictFacts, verdictText} from './view.js';

const exampleFiles = ['config.json', 'model.safetensors', 'task.json'];

export class CheckpointTab extends FilesTab {
  constructor(app) {
    super(app, 'checkpoint');
    this.fields = new Fields({lang: 'checkpoint-lang', seconds: 'checkpoint-seconds', harden: 'harden'});
    document.getElementById('checkpoint-example').addEventListener('click', () => this.showExample());
  }

  async restore(state) {
    this.fields.restore(state);
    if (state.model === 'example') await this.showExample();
  }

  /** Files are not in a link, but for those that every page has. */
  state() {
    return {...(this.example !== undefined && this.example === this.files && {model: 'example'}), ...this.fields.state()};
  }

  async showExample() {
    const files = {};
    for (const name of exampleFiles) {
      const response = await fetch(`example/${name}`);
      if (!response.ok) throw new Error(`example/${name}: ${response.status} ${response.statusText}`);
      files[name] = new Uint8Array(await response.arrayBuffer());
    }
    this.example = files;
    this.replace(files);
    await this.show();
  }

  async show() {
    const {app} = this;
    app.problem('checkpoint', '');
    app.remember();
    if (Object.keys(this.files).length === 0) {
      app.problem('checkpoint', 'expected the files of a model, got none');
      return;
    }
    const lang = this.fields.value('lang');
    const files = this.arranged(this.files, lang);
    const model = ['model', ...(lang === '' ? [] : [lang])];
    const seconds = Number(this.fields.value('seconds'));
    const limit = ['--time-limit', String(seconds)];
    const harden = this.fields.value('harden') === 'yes';
    await app.work('checkpoint', async (krohn) => {
      this.out.replaceChildren();
      const command = (what, args, keep = []) => {
        app.says(what);
        return krohn.json([...args, ...limit], {files, keep, seconds: 3 * seconds + 10, onProgress: (line) => app.says(`${what}: ${line}`)});
      };
      const checked = await command('checking', ['check', ...model, '--certificate', 'certificate', '--memory', searchMemory], ['certificate']);
      this.out.append(this.verdict(checked));
      app.announce(`${checked.value.verdict}. ${verdictText(checked.value)}`);
      this.out.append(this.accuracy(await command('measuring accuracy', ['accuracy', ...model, '--words', '128'])));
      if (!harden) return;
      this.out.append(this.hardening(await command('hardening',
        ['harden', ...model, '-o', 'hardened', '--certificate', 'certificate', '--memory', searchMemory], ['hardened', 'certificate'])));
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
      accuracyChart(v.lengths, v.chance),
      table('Accuracy by length', ['length', 'words', 'per position', 'last symbol', 'whole words'],
        v.lengths.map((one) => [String(one.length), one.words, text(one.position), text(one.last), text(one.sequence)]), {numeric: [true, true], long: true}));
  }

  hardening(hardened) {
    const v = hardened.value;
    const files = Object.fromEntries(Object.entries(hardened.files).filter(([path]) => path.startsWith('hardened/')));
    const saves = Object.keys(files).length === 0 ? [] : [
      saveButton('Hardened model (.tar)', 'hardened.tar', () => new Blob(archive(files)), 'application/x-tar'),
      saveButton('Certificate', 'certificate', () => hardened.files.certificate, 'application/octet-stream')];
    return section('Hardened: states snapped to a few codes', [...saves, saveButton('JSON', 'harden.json', () => hardened.text, 'application/json')],
      verdictCard(v.verdict, verdictText(v)),
      facts([
        ['is', 'another function than the model: after every token what is carried is snapped to states that the model itself meets'],
        ['what can be carried', !v.hardening?.configurations ? null : `${v.hardening.configurations} configurations`],
        ['the model itself', v.original?.verdict]]),
      hardened.notes === '' ? null : h('p', {class: 'note'}, hardened.notes));
  }
}
