// A form generated from a job's description: essentials first, sections folded, defaults as placeholders.

import { ask, attempt, bytes, fill, h, later, shell } from './core.js';

/// Fields that every training has beside its own form.
const runFields = [
  { name: 'run', kind: 'output', help: 'The run folder, below the studio’s first folder.', required: true, list: false },
  { name: 'export', kind: 'output', help: 'Copy the model here at the end.', required: false, list: false, section: 'GENERAL' },
];
const generalFields = [
  { name: 'threads', kind: 'count', help: 'Threads to use (default: one a core).', least: 1, most: 256, section: 'GENERAL' },
  { name: 'memory', kind: 'number', help: 'The most memory to use, in gigabytes (default: what the machine has left).', section: 'GENERAL' },
  { name: 'precision', kind: 'choice', choices: ['float32', 'bfloat16'], defaults: ['float32'], help: 'Precision of products.', section: 'GENERAL' },
];
const essential = new Set(['run', 'in', 'data', 'a', 'b', 'model', 'victim', 'network', 'output', 'steps', 'minutes', 'epochs', 'sigma', 'scenes', 'characters']);

/// A form of a job; `onchange` hears of every change.
export class Form {
  #boxes = new Map();
  #hidden;

  constructor(job, { onchange = () => {}, hidden = [], words = {}, path }) {
    this.job = job;
    this.path = path;
    this.onchange = onchange;
    this.#hidden = new Set(hidden);
    this.fields = [...(job.trains ? runFields.slice(0, 1) : []), ...job.fields, ...(job.trains ? runFields.slice(1) : []), ...generalFields]
      .filter((field) => !this.#hidden.has(field.name));
    const sections = new Map();
    for (const field of this.fields) {
      const isFirst = field.required || essential.has(field.name);
      const title = isFirst ? '' : field.section ?? 'MORE OPTIONS';
      if (!sections.has(title)) sections.set(title, []);
      sections.get(title).push(field);
    }
    this.element = h('div.form', {}, [...sections].sort(([one], [other]) => (one !== '') - (other !== '')).map(([title, fields]) => {
      const boxes = fields.map((field) => this.#box(field));
      return title ? h('details.fold', {}, h('summary', {}, title[0] + title.slice(1).toLowerCase(), h('span.dim', {}, ` ${fields.length}`)), h('div.fields', {}, boxes))
        : h('div.fields', {}, boxes);
    }));
    this.set(words);
  }

  #box(field) {
    const id = `field-${field.name}`;
    const error = h('p.error', { id: `${id}-error`, hidden: true });
    const changed = () => { this.mark(null); this.onchange(field.name); };
    const defaults = field.defaults?.join(' ') ?? '';
    let input;
    const common = { id, 'aria-describedby': `${id}-help ${id}-error`, 'aria-required': field.required ? 'true' : null };
    if (field.kind === 'flag') input = h('input', { ...common, type: 'checkbox', onchange: changed });
    else if (field.kind === 'choice') {
      input = h('select', { ...common, onchange: changed },
        h('option', { value: '' }, field.required ? 'choose' : defaults ? `${defaults} (default)` : '–'),
        (field.choices ?? []).filter((choice) => field.required || choice !== defaults).map((choice) => h('option', { value: choice }, choice)));
    } else {
      const isNumber = (field.kind === 'count' || field.kind === 'number') && !field.list;
      input = h('input', { ...common, type: 'text', inputmode: isNumber ? (field.kind === 'count' ? 'numeric' : 'decimal') : null, autocomplete: 'off', spellcheck: 'false',
        placeholder: defaults || (field.list ? 'one or more' : ''), oninput: later(changed, 200) });
    }
    const canPick = ['file', 'folder', 'source', 'output'].includes(field.kind);
    const label = h('label', { for: id }, field.name.replaceAll('-', ' '), field.required ? h('span.required', { title: 'needed' }, ' needed') : '');
    const box = h('div.field', { class: `field ${field.kind}` }, field.kind === 'flag' ? h('div.row', {}, input, label) : label,
      field.kind !== 'flag' && h('div.row', {}, input, canPick && h('button', { 'aria-label': `Choose ${field.name}`, onclick: () => this.#pick(field, input, changed) }, '…')),
      h('p.help', { id: `${id}-help` }, field.help, field.range && field.kind !== 'flag' ? h('span.dim', {}, ` ${field.range}`) : ''), error);
    this.#boxes.set(field.name, { field, input, box, error });
    return box;
  }

  async #pick(field, input, changed) {
    const chosen = await pickPlace({ wantsFiles: field.kind !== 'folder', endings: field.endings, isNew: field.kind === 'output' });
    if (!chosen) return;
    input.value = field.list && input.value ? `${input.value} ${quoted(chosen)}` : field.list ? quoted(chosen) : chosen;
    changed();
  }

  /// The words that were given.
  get words() {
    const words = {};
    for (const [name, { field, input }] of this.#boxes) {
      if (field.kind === 'flag') { if (input.checked) words[name] = ['']; continue; }
      const text = input.value.trim();
      if (!text) continue;
      words[name] = field.list ? split(text) : [text];
    }
    return words;
  }

  /// Puts words in.
  set(words) {
    for (const [name, { field, input }] of this.#boxes) {
      const given = words[name];
      if (field.kind === 'flag') input.checked = Boolean(given);
      else if (field.kind === 'choice') input.value = given && [...input.options].some((option) => option.value === given[0]) ? given[0] : '';
      else input.value = given ? (field.list ? given.map(quoted).join(' ') : given[0]) : '';
    }
    for (const fold of this.element.querySelectorAll('details.fold')) {
      if ([...fold.querySelectorAll('input, select')].some((input) => input.type === 'checkbox' ? input.checked : input.value)) fold.open = true;
    }
  }

  /// The command as far as it is known here; the studio's own is shown as soon as it was checked.
  get command() {
    const words = this.words;
    const positional = this.fields.filter((field) => field.positional).flatMap((field) => words[field.name] ?? []);
    const rest = this.fields.filter((field) => !field.positional && words[field.name])
      .flatMap((field) => [`--${field.name}`, ...words[field.name].filter((word) => word !== '')]);
    return shell(['atelier', ...this.path.split(' '), ...positional, ...rest]);
  }

  /// Shows an error beside its field; nil takes all away. Returns whether the field is here.
  mark(name, text) {
    for (const { input, error } of this.#boxes.values()) {
      error.hidden = true;
      error.textContent = '';
      input.removeAttribute('aria-invalid');
    }
    const found = this.#boxes.get(name);
    if (!found) return false;
    found.error.textContent = text;
    found.error.hidden = false;
    found.input.setAttribute('aria-invalid', 'true');
    const fold = found.box.closest('details');
    if (fold) fold.open = true;
    return true;
  }

  focus(name) { this.#boxes.get(name)?.input.focus(); }
}

/// Words with quotes as a shell reads them.
export function split(text) {
  const words = [];
  for (const match of text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)) words.push(match[1] ?? match[2] ?? match[3]);
  return words;
}

const quoted = (word) => /\s/.test(word) ? `'${word}'` : word;

/// Lets a person choose a file or a folder below the studio's folders; nil where they did not.
export function pickPlace({ wantsFiles = true, endings = null, isNew = false } = {}) {
  return new Promise((resolve) => {
    let path = '.';
    const title = h('h2', {}, 'Choose');
    const list = h('ul.picker');
    const name = h('input', { type: 'text', 'aria-label': 'Name of the new folder or file', placeholder: 'new name' });
    const use = h('button.primary', { onclick: () => finish(isNew && name.value ? join(path, name.value) : path) }, isNew ? 'Use' : 'Use this folder');
    const dialog = h('dialog.wide', { 'aria-label': 'Choose a place' }, title, list, isNew && h('label.row', {}, 'New: ', name), h('div.row', {}, h('button', { onclick: () => finish(null) }, 'Cancel'), h('span.grow'), use));
    const join = (folder, entry) => folder === '.' ? entry : `${folder}/${entry}`;
    const finish = (result) => { dialog.remove(); resolve(result); };
    async function look(to) {
      const listing = await attempt(() => ask('folders?' + new URLSearchParams({ path: to })));
      if (!listing) return;
      path = listing.path;
      fill(title, path === '.' ? 'This folder' : path);
      const fits = (entry) => entry.isFolder || (wantsFiles && (!endings || endings.some((ending) => entry.name.endsWith('.' + ending))));
      fill(list,
        listing.hasParent && h('li', {}, h('button.quiet', { onclick: () => look(`${path}/..`) }, '↑ up')),
        listing.entries.filter(fits).map((entry) => h('li', {}, h('button.quiet', { onclick: () => entry.isFolder ? look(join(path, entry.name)) : finish(join(path, entry.name)) },
          entry.isFolder ? `▸ ${entry.name}` : entry.name, h('span.dim', {}, entry.isFolder ? '' : ` ${bytes(entry.bytes)}`)))),
        listing.isCut && h('li.dim', {}, 'more entries are not shown'));
      list.querySelector('button')?.focus();
    }
    dialog.addEventListener('cancel', () => finish(null));
    document.body.append(dialog);
    dialog.showModal();
    look('.');
  });
}
