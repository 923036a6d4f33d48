// A tab that takes the files of a model: dropped, chosen or given, listed by name and size, each with a button that takes it
// away again.
import {unarchive} from './archive.js';
import {h} from './view.js';

/** The bytes of a file that was dropped or chosen. */
export async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name}: expected a file that can be read, got none (of a folder, drop the files in it)`);
  }
}

/** Calls `take` with the files that are chosen in a field, the same ones again too: they may have changed meanwhile. */
export function onChosen(field, take) {
  field.addEventListener('click', () => {
    field.value = '';
  });
  field.addEventListener('change', () => {
    if (field.files.length > 0) take([...field.files]);
  });
}

/** Files by name without folders; an archive is opened. */
async function readFiles(list) {
  const files = {};
  for (const file of list) {
    const bytes = await bytesOf(file);
    const inner = file.name.endsWith('.tar') ? unarchive(bytes, file.name) : {[file.name]: bytes};
    for (const [path, content] of Object.entries(inner)) files[path.slice(path.lastIndexOf('/') + 1)] = content;
  }
  return files;
}

function sizeText(bytes) {
  return bytes < 10240 ? `${bytes} bytes` : bytes < 10485760 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / 1048576)} MiB`;
}

export class FilesTab {
  /** @param {string} name of the tab; the ids of its elements begin with it */
  constructor(app, name) {
    this.app = app;
    this.name = name;
    this.files = {};
    const element = (part) => document.getElementById(`${name}-${part}`);
    this.list = element('list');
    this.out = element('results');
    this.drop = element('drop');
    element('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.show();
    });
    onChosen(element('files'), (files) => this.take(files));
  }

  /** Adds files to those that are there; one of the same name takes the other's place. */
  async take(list) {
    this.app.problem(this.name, '');
    try {
      this.replace({...this.files, ...await readFiles(list)});
    } catch (error) {
      this.app.problem(this.name, error.message);
    }
  }

  replace(files) {
    this.files = files;
    this.list.replaceChildren(...Object.entries(files).map(([name, bytes]) => h('li', {}, `${name} (${sizeText(bytes.length)}) `,
      h('button', {type: 'button', class: 'chip', 'aria-label': `take ${name} away`, onclick: () => {
        const {[name]: gone, ...others} = this.files;
        this.replace(others);
      }}, '×'))));
  }

  /** What the program finds: the files as a directory `model`, the language's file, where one is named, beside it. */
  arranged(files, lang) {
    return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name === lang ? name : `model/${name}`, bytes]));
  }
}
