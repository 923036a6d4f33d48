// The page: tabs, links that carry what was asked, one piece of work at a time, light and dark.
import {CertificateTab} from './certificate.js';
import {CheckpointTab} from './checkpoint.js';
import {CommandError, Krohn, Stopped} from './krohn.js';
import {LanguageTab} from './language.js';
import {formatLink, parseLink} from './link.js';
import {wireTheme} from './theme.js';
import {TheoremTab} from './theorem.js';

const tabNames = ['language', 'theorem', 'checkpoint', 'certificate'];
const element = (id) => document.getElementById(id);

class App {
  constructor() {
    this.krohn = new Krohn(new URL('krohn.wasm.gz', import.meta.url).href);
    /** The session of the work that is going on. */
    this.session = null;
    this.current = 'language';
    this.tabs = {language: new LanguageTab(this), theorem: new TheoremTab(this), checkpoint: new CheckpointTab(this), certificate: new CertificateTab(this)};
    /** Of each tab the link that it shows. */
    this.shown = {};
    this.wireTabs();
    this.wireDrops();
    element('stop').addEventListener('click', () => {
      this.says('ending with what there is');
      this.session?.interrupt();
    });
    element('skip').addEventListener('click', (event) => {
      event.preventDefault();
      element('main').focus();
    });
    window.addEventListener('hashchange', () => this.open());
  }

  async begin() {
    await this.open();
    // What is nice to have, once there is nothing else to do.
    const session = this.krohn.session();
    await this.tabs.language.listCatalogue(session);
    const {stdout} = await session.run(['--version']);
    element('version').textContent = `krohn ${new TextDecoder().decode(stdout).trim()}`;
  }

  wireTabs() {
    for (const [i, name] of tabNames.entries()) {
      const tab = element(`tab-${name}`);
      tab.addEventListener('click', () => this.goTo(name));
      tab.addEventListener('keydown', (event) => {
        const to = {ArrowRight: i + 1, ArrowLeft: i - 1 + tabNames.length, Home: 0, End: tabNames.length - 1}[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const next = tabNames[to % tabNames.length];
        this.goTo(next);
        element(`tab-${next}`).focus();
      });
    }
  }

  goTo(name) {
    this.select(name);
    this.remember();
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

  /** Wherever on the page files are dropped, the tab that is open takes them: no drop leads away from the page. */
  wireDrops() {
    const mark = (over) => {
      for (const {drop} of Object.values(this.tabs)) drop?.classList.toggle('over', over && drop === this.tabs[this.current].drop);
    };
    window.addEventListener('dragover', (event) => {
      event.preventDefault();
      mark(true);
    });
    window.addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) mark(false);
    });
    window.addEventListener('drop', (event) => {
      event.preventDefault();
      mark(false);
      const files = [...event.dataTransfer.files];
      if (files.length > 0) this.tabs[this.current].take?.(files);
    });
  }

  /** What the link asks for, unless it is there. */
  async open() {
    const state = parseLink(location.hash);
    const name = state.tab ?? 'language';
    if (!tabNames.includes(name)) {
      this.problem('language', `tab: expected one of ${tabNames.join(', ')}, got ${name}`);
      return;
    }
    this.select(name);
    if (this.shown[name] === location.hash) return;
    try {
      this.opening = true;
      const restored = this.tabs[name].restore(state);
      this.opening = false;
      await restored;
    } catch (error) {
      this.problem(name, error.message);
    } finally {
      this.opening = false;
    }
  }

  /** Writes what is asked into the link; a new one is a step that the browser's back button takes back. */
  remember() {
    const name = this.current;
    const state = this.tabs[name].state();
    const link = formatLink(name === 'language' ? state : {tab: name, ...state});
    document.title = `${state.lang ?? name} · krohn playground`;
    this.shown[name] = link;
    if (link === location.hash) return;
    if (this.opening || location.hash === '') history.replaceState(null, '', link);
    else history.pushState(null, '', link);
  }

  /** Runs a tab's work, with the bar at the foot of the page; new work ends the old. */
  async work(name, task) {
    this.session?.end();
    const session = this.krohn.session();
    this.session = session;
    element('work').hidden = false;
    this.says('loading');
    try {
      await task(session);
    } catch (error) {
      // Of work that other work ended nothing is said.
      if (this.session !== session) return;
      this.problem(name, error.message);
      if (!(error instanceof Stopped || error instanceof CommandError)) console.error(error);
    } finally {
      if (this.session === session) {
        this.session = null;
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
  problem(name, text) {
    const place = element(`${name}-problem`);
    place.hidden = text === '';
    place.textContent = text;
    if (name === 'language') element('lang').setAttribute('aria-invalid', String(text !== ''));
  }

  verifyFromLanguage() {
    this.select('certificate');
    return this.tabs.certificate.takeFromLanguage();
  }
}

wireTheme(element('theme'));
new App().begin().catch((error) => console.error(error));
