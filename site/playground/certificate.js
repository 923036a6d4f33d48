// The certificate tab: a certificate and its model in; verified or not, and why, out.
import {Fields} from './fields.js';
import {FilesTab} from './files.js';
import {exit} from './krohn.js';
import {facts, h, saveButton, section, verdictCard} from './view.js';

const magic = 'krohn-certificate-';

const isCertificate = (bytes) => new TextDecoder().decode(bytes.subarray(0, magic.length)) === magic;

/** The header of a certificate: what it says of itself, trusted by nobody. Empty where it is damaged: krohn says how. */
function headerOf(bytes) {
  try {
    const newline = bytes.indexOf(0x0a);
    const size = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(newline + 1, true));
    return JSON.parse(new TextDecoder().decode(bytes.subarray(newline + 9, newline + 9 + size)));
  } catch {
    return {};
  }
}

export class CertificateTab extends FilesTab {
  constructor(app) {
    super(app, 'certificate');
    this.fields = new Fields({lang: 'certificate-lang'});
    document.getElementById('certificate-from-language').addEventListener('click', () => this.takeFromLanguage());
  }

  restore(state) {
    this.fields.restore(state);
  }

  state() {
    return this.fields.state();
  }

  /** The language tab's model, its certificate, and the language's file where it was one. */
  async takeFromLanguage() {
    this.app.problem('certificate', '');
    const {result} = this.app.tabs.language;
    if (result === null) {
      this.app.problem('certificate', 'expected a compiled language in the language tab, got none');
      return;
    }
    const {files, certificate, asked} = result;
    const model = Object.entries(files).filter(([path]) => path.startsWith('model/')).map(([path, bytes]) => [path.slice(6), bytes]);
    this.replace({certificate, ...asked.files, ...Object.fromEntries(model)});
    this.fields.restore({lang: asked.lang});
    await this.show();
  }

  async show() {
    const {app} = this;
    app.problem('certificate', '');
    app.remember();
    const certificates = Object.keys(this.files).filter((name) => isCertificate(this.files[name]));
    if (certificates.length !== 1) {
      app.problem('certificate', `expected one file that begins with ${magic}, got ${certificates.length === 0 ? 'none' : certificates.join(', ')}`);
      return;
    }
    const {[certificates[0]]: certificate, ...others} = this.files;
    const lang = this.fields.value('lang');
    const files = {certificate, ...this.arranged(others, lang)};
    await app.work('certificate', async (krohn) => {
      this.out.replaceChildren();
      app.says('verifying');
      const verified = await krohn.json(['verify', 'certificate', 'model', ...(lang === '' ? [] : [lang])],
        {files, seconds: 600, onProgress: (text) => app.says(text)}, [exit.ok, exit.input, exit.unknown]);
      const {result, claim, reason, verdict} = verified.value;
      const text = {VERIFIED: `It shows that ${claim}.`, UNCHECKED: `There is nothing to check: ${reason}`}[result] ?? `Rejected: ${reason}`;
      const header = headerOf(certificate);
      const code = (value) => (value === undefined ? null : h('code', {}, value));
      this.out.append(section('The certificate', [saveButton('JSON', 'verify.json', () => verified.text, 'application/json')],
        verdictCard(result, text),
        facts([
          ['claims', `${verdict}: ${claim}`], ['made by', header.tool], ['of the model', header.model_name],
          ['for the language', header.language_name], ['arithmetic', header.semantics], ['by', header.method],
          ['model', code(header.model_fingerprint)], ['automaton', code(header.automaton_fingerprint)]]),
        h('p', {class: 'note'}, `${result === 'VERIFIED' ? 'Verified without a search: every step of the evidence is looked at once, on the model\'s bits. ' : ''}This is what the certificate says of itself; the fingerprints are checked against the files.`)));
      app.announce(`${result}. ${text}`);
    });
  }
}
