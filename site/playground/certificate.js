// The certificate tab: a certificate and its model in; verified or not, and why, out.
import {CommandError, exit} from './krohn.js';
import {listFiles, readFiles} from './checkpoint.js';
import {facts, h, saveButton, section, verdictCard} from './view.js';

const magic = 'krohn-certificate-';

/** The header of a certificate: what it says of itself, trusted by nobody. */
export function certificateHeader(bytes) {
  const newline = bytes.indexOf(0x0a);
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(newline + 1, true);
  return JSON.parse(new TextDecoder().decode(bytes.subarray(newline + 9, newline + 9 + Number(size))));
}

const isCertificate = (bytes) => new TextDecoder().decode(bytes.subarray(0, magic.length)) === magic;

export class CertificateTab {
  constructor(app) {
    this.app = app;
    this.files = {};
    const field = (id) => document.getElementById(id);
    this.lang = field('certificate-lang');
    this.list = field('certificate-list');
    this.out = field('certificate-results');
    field('certificate-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.show();
    });
    field('certificate-files').addEventListener('change', (event) => this.take([...event.target.files]));
    field('certificate-from-language').addEventListener('click', () => app.verifyFromLanguage());
    app.acceptDrops(field('certificate-drop'), (files) => this.take(files));
  }

  restore() {}

  state() {
    return {};
  }

  async take(list) {
    try {
      Object.assign(this.files, await readFiles(list));
      this.app.problem('certificate', '');
    } catch (error) {
      this.app.problem('certificate', error.message);
    }
    this.shown();
  }

  shown() {
    listFiles(this.list, this.files, () => this.shown());
  }

  /** With the language tab's model, its certificate, and the language's file where it was one. */
  async takeResult({files, certificate, asked}) {
    this.files = {certificate, ...asked.files};
    for (const [path, bytes] of Object.entries(files)) if (path.startsWith('model/')) this.files[path.slice(6)] = bytes;
    this.lang.value = asked.lang;
    this.shown();
    await this.show();
  }

  async show() {
    const {app} = this;
    app.problem('certificate', '');
    const certificates = Object.entries(this.files).filter(([, bytes]) => isCertificate(bytes));
    if (certificates.length !== 1) {
      app.problem('certificate', `expected one file that begins with ${magic}, got ${certificates.length === 0 ? 'none' : certificates.map(([name]) => name).join(', ')}`);
      return;
    }
    const [[name, bytes]] = certificates;
    const files = {certificate: bytes};
    for (const [other, content] of Object.entries(this.files)) {
      if (other === name) continue;
      files[`model/${other}`] = content;
      // The file of a language lies where its name is looked for, too.
      if (other === this.lang.value.trim()) {
        files[other] = content;
        delete files[`model/${other}`];
      }
    }
    await app.work(async () => {
      this.out.replaceChildren();
      app.says('verifying');
      let header = {};
      try {
        header = certificateHeader(bytes);
      } catch {
        // krohn says what is wrong with it.
      }
      const lang = this.lang.value.trim();
      try {
        const result = await app.krohn.json(['verify', 'certificate', 'model', ...(lang === '' ? [] : [lang])],
          {files, seconds: 600, onProgress: (text) => app.says(text)}, [exit.ok, exit.input, exit.unknown]);
        const v = result.value;
        const text = v.result === 'VERIFIED' ? `It shows that ${v.claim}.`
          : v.result === 'UNCHECKED' ? `There is nothing to check: ${v.reason}` : `Rejected: ${v.reason}`;
        this.out.append(section('The certificate', [saveButton('JSON', 'verify.json', () => result.text, 'application/json')],
          verdictCard(v.result, text),
          facts([
            ['claims', `${v.verdict}: ${v.claim}`], ['made by', header.tool], ['of the model', header.model_name],
            ['for the language', header.language_name], ['arithmetic', header.semantics], ['by', header.method],
            ['model', header.model_fingerprint === undefined ? null : h('code', {}, header.model_fingerprint)],
            ['automaton', header.automaton_fingerprint === undefined ? null : h('code', {}, header.automaton_fingerprint)]]),
          h('p', {class: 'note'}, 'Verified without a search: every step of the evidence is looked at once, on the model\'s bits. The header above is what the certificate says of itself; the fingerprints are checked against the files.')));
        app.announce(`${v.result}. ${text}`);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        app.problem('certificate', error.message);
      }
    });
  }
}
