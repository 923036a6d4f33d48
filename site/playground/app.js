// The page: tabs, links that carry what was asked, one piece of work at a time, light and dark.
import {CertificateTab} from './certificate.js';
import {CheckpointTab} from './checkpoint.js';
import {Krohn, Stopped} from './krohn.js';
import {LanguageTab} from './language.js';
import {formatLink, parseLink} from './link.js';
import {TheoremTab} from './theorem.js';

const tabNames = ['language', 'theorem', 'checkpoint', 'certificate'];
const element = (id) => document.getElementById(id);

class App {
  constructor() {
    this.krohn = new Krohn(new URL('krohn.wasm.gz', import.meta.url).href);
    this.busy = false;
    this.current = 'language';
    this.tabs = {language: new LanguageTab(this), theorem: new TheoremTab(this), checkpoint: new CheckpointTab(this), certificate: new CertificateTab(this)};
    this.wireTabs();
    this.wireTheme();
    element('stop').addEventListener('click', () => this.krohn.stop());
    window.addEventListener('hashchange', () => {
      if (location.hash !== this.written) this.open();
    });
  }

  async begin() {
    await this.open();
    // What is nice to have, once there is nothing else to do.
    await this.tabs.language.listCatalogue();
    const {stdout} = await this.krohn.run(['--version']);
    element('version').textContent = `krohn ${new TextDecoder().decode(stdout).trim()}`;
  }

  wireTabs() {
    for (const [i, name] of tabNames.entries()) {
      const tab = element(`tab-${name}`);
      tab.addEventListener('click', () => {
        this.select(name);
        this.remember();
      });
      tab.addEventListener('keydown', (event) => {
        const to = {ArrowRight: i + 1, ArrowLeft: i - 1 + tabNames.length, Home: 0, End: tabNames.length - 1}[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const next = tabNames[to % tabNames.length];
        this.select(next);
        this.remember();
        element(`tab-${next}`).focus();
      });
    }
  }

  select(name) {
    this.current = name;
    for (const other of tabNames) {
      const tab = element(`tab-${other}`);
      tab.setAttribute('aria-selected', String(other === name));
      tab.tabIndex = other === name ? 0 : -1;
      element(other).hidden = other !== name;
    }
  }

  wireTheme() {
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    let chosen = null;
    try {
      chosen = localStorage.getItem('theme');
    } catch {
      // A page without storage follows the system.
    }
    const show = () => {
      const isDark = (chosen ?? (dark.matches ? 'dark' : 'light')) === 'dark';
      document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
      element('theme').setAttribute('aria-pressed', String(isDark));
    };
    dark.addEventListener('change', show);
    element('theme').addEventListener('click', () => {
      chosen = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
      try {
        localStorage.setItem('theme', chosen);
      } catch {
        // Chosen for this visit.
      }
      show();
    });
    show();
  }

  /** What the link asks for. */
  async open() {
    const state = parseLink(location.hash);
    const name = tabNames.includes(state.tab) ? state.tab : 'language';
    this.select(name);
    this.written = location.hash;
    await this.tabs[name].restore(state);
  }

  /** Writes what is asked into the link. */
  remember() {
    const state = this.tabs[this.current].state();
    this.written = formatLink(this.current === 'language' ? state : {tab: this.current, ...state});
    history.replaceState(null, '', this.written);
  }

  /** Runs a tab's work, with the bar at the foot of the page; new work ends the old. */
  async work(task) {
    if (this.busy) this.krohn.stop();
    const mine = Symbol('work');
    this.busy = mine;
    element('work').hidden = false;
    this.says('loading');
    try {
      await task();
    } catch (error) {
      if (error instanceof Stopped) {
        if (this.busy === mine) this.problem(this.current === 'language' ? 'lang' : this.current, error.message);
      } else {
        this.problem(this.current === 'language' ? 'lang' : this.current, String(error.message ?? error));
        console.error(error);
      }
    } finally {
      if (this.busy === mine) {
        this.busy = false;
        element('work').hidden = true;
      }
    }
  }

  says(text) {
    element('work-text').textContent = text;
    const percent = /(\d+) %/.exec(text);
    if (percent === null) element('work-bar').removeAttribute('value');
    else element('work-bar').value = Number(percent[1]) / 100;
  }

  /** Said by screen readers. */
  announce(text) {
    element('said').textContent = text;
  }

  /** The command line's message, beside the field. */
  problem(field, text) {
    const place = element(`${field}-problem`);
    place.hidden = text === '';
    place.textContent = text;
    element(field === 'lang' ? 'lang' : `${field}-form`).setAttribute('aria-invalid', String(text !== ''));
  }

  acceptDrops(target, take) {
    target.addEventListener('dragover', (event) => {
      event.preventDefault();
      target.classList.add('over');
    });
    target.addEventListener('dragleave', () => target.classList.remove('over'));
    target.addEventListener('drop', (event) => {
      event.preventDefault();
      target.classList.remove('over');
      if (event.dataTransfer.files.length > 0) take([...event.dataTransfer.files]);
    });
  }

  async verifyFromLanguage() {
    const {result} = this.tabs.language;
    this.select('certificate');
    this.remember();
    if (result === null) this.problem('certificate', 'expected a compiled language in the language tab, got none');
    else await this.tabs.certificate.takeResult(result);
  }
}

new App().begin().catch((error) => {
  if (!(error instanceof Stopped)) console.error(error);
});
