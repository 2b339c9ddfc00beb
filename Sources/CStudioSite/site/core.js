// What all screens share: elements, requests, texts for numbers, the live stream, the address.

/// Makes an element: h('button.quiet', {onclick, title}, 'text', child …).
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  const element = document.createElement(tag || 'div');
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'value' || key === 'checked' || key === 'disabled' || key === 'hidden' || key === 'open') element[key] = value;
    else if (key === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/// Replaces what an element holds.
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/// An error that the studio or the tool told.
export class Told extends Error {}

/// Asks the studio; throws `Told` with its sentence.
export async function ask(path, { method = 'GET', body, raw, signal } = {}) {
  let response;
  try {
    response = await fetch('/api/' + path, {
      method, signal, credentials: 'same-origin',
      headers: body === undefined || raw ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : raw ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Told('the studio does not answer; is atelier-studio still running?');
  }
  if (response.status === 401) throw new Told('the token is no longer valid: open the address that atelier-studio printed');
  const type = response.headers.get('Content-Type') ?? '';
  if (!response.ok) {
    const text = type.startsWith('application/json') ? (await response.json()).error : await response.text();
    throw new Told(text || `the studio answered ${response.status}`);
  }
  if (response.status === 204 || response.status === 202) return null;
  return type.startsWith('application/json') ? response.json() : response;
}

// Texts.

export function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(Math.max(digits - 2, 1)).replace('e', 'e');
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${String(rest).padStart(2, '0')}`
    : `${minutes}:${String(rest).padStart(2, '0')}`;
}

export function bytes(count) {
  if (count === null || count === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let index = 0;
  while (count >= 1000 && index < units.length - 1) { count /= 1000; index += 1; }
  return `${index ? count.toPrecision(3) : count} ${units[index]}`;
}

export function when(seconds) {
  if (!seconds) return '–';
  const ago = Date.now() / 1000 - seconds;
  if (ago < 60) return 'just now';
  if (ago < 3600) return `${Math.floor(ago / 60)} min ago`;
  if (ago < 86400) return `${Math.floor(ago / 3600)} h ago`;
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/// The words of a command line that were shell-quoted once, as the server's `ShellWord` does.
export function shell(words) {
  return words.map((word) => /^[A-Za-z0-9_\-./:,=+@%]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

// Announcements.

const polite = h('div.unseen', { role: 'status', 'aria-live': 'polite' });
const toasts = h('div.toasts', { role: 'region', 'aria-label': 'Messages' });
export const announcements = [polite, toasts];

/// Says something to everybody: on the screen for a while, and to screen readers.
export function say(text, kind = 'note') {
  polite.textContent = text;
  const toast = h(`div.toast.${kind}`, {}, text, h('button.icon', { 'aria-label': 'Dismiss', onclick: () => toast.remove() }, '×'));
  toasts.append(toast);
  setTimeout(() => toast.remove(), kind === 'error' ? 12000 : 5000);
}

/// Runs an action and says what went wrong.
export async function attempt(action) {
  try { return await action(); } catch (error) {
    if (error.name !== 'AbortError') say(error.message, 'error');
    if (!(error instanceof Told) && error.name !== 'AbortError') console.error(error);
    return undefined;
  }
}

// The live stream: one for a page, and only while it is seen, because browsers allow six to a server.

class Live extends EventTarget {
  state = 'connecting';
  studio = { runs: 0, jobs: [], isPaused: false, diskFree: null };
  #source = null;
  #logs = new Map();
  #delay = 500;
  #timer = null;

  constructor() {
    super();
    document.addEventListener('visibilitychange', () => document.hidden ? this.#stop('asleep') : this.#start());
    addEventListener('pagehide', () => this.#stop('asleep'));
    this.#start();
  }

  /// Follows a run's log from a byte on: `take(lines, offset)` and `reset()` are called.
  follow(run, offset, listener) {
    this.#logs.set(run, { offset, listener });
    this.#restart();
    return () => {
      if (this.#logs.get(run)?.listener === listener) {
        this.#logs.delete(run);
        this.#restart();
      }
    };
  }

  #restart() {
    // Several changes of one screen make one stream.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.#stop(this.state); this.#start(); }, 20);
  }

  #stop(state) {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#set(state);
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }

  #start() {
    if (this.#source || document.hidden) return;
    const logs = [...this.#logs].map(([run, { offset }]) => `${run}:${offset}`).join(',');
    const source = new EventSource('/api/live' + (logs ? `?log=${logs}` : ''));
    this.#source = source;
    source.addEventListener('open', () => { this.#delay = 500; this.#set('connected'); });
    source.addEventListener('studio', (event) => {
      this.#set('connected');
      this.studio = JSON.parse(event.data);
      this.dispatchEvent(new Event('studio'));
    });
    source.addEventListener('log', (event) => {
      const { run, offset, lines } = JSON.parse(event.data);
      const entry = this.#logs.get(run);
      if (!entry) return;
      entry.offset = offset;
      entry.listener.take(lines, offset);
    });
    source.addEventListener('reset', (event) => {
      const entry = this.#logs.get(JSON.parse(event.data).run);
      if (!entry) return;
      entry.offset = 0;
      entry.listener.reset();
    });
    source.addEventListener('error', () => {
      if (this.#source !== source) return;
      // A browser would ask for the old bytes again: the address holds where we are.
      this.#stop('lost');
      this.#timer = setTimeout(() => this.#start(), this.#delay);
      this.#delay = Math.min(this.#delay * 1.7, 5000);
    });
  }

  /// The jobs that live or wait.
  get busy() { return this.studio.jobs.filter((job) => !isOver(job)); }
}

export const isOver = (job) => ['finished', 'interrupted', 'failed', 'lost'].includes(job.state);
export const live = new Live();

// The address: #/screen/part?key=value, so that a link or a reload shows the same.

export function place() {
  const [path, search = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [name = '', ...parts] = path.split('/').map(decodeURIComponent);
  return { name: name || 'runs', parts, query: new URLSearchParams(search) };
}

/// Goes to a screen.
export function go(path, query) {
  location.hash = link(path, query);
}

export function link(path, query) {
  const search = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value !== '' && value !== null && value !== undefined)).toString();
  return `#/${path}${search ? '?' + search : ''}`;
}

/// Changes the address without a step in the history.
export function keep(changes) {
  const { query } = place();
  for (const [key, value] of Object.entries(changes)) {
    if (value === '' || value === null || value === undefined || value === false) query.delete(key);
    else query.set(key, value === true ? '1' : value);
  }
  const path = location.hash.replace(/^#\/?/, '').split('?')[0] || 'runs';
  const search = query.toString();
  history.replaceState(null, '', `#/${path}${search ? '?' + search : ''}`);
}

// The forms of all jobs, asked for once.

let forms = null;
export async function describe() {
  forms ??= ask('describe').catch((error) => { forms = null; throw error; });
  return forms;
}

export async function formOf(path) {
  const [shop, verb] = path.split(' ');
  const found = (await describe()).workshops.find((one) => one.name === shop);
  return found?.jobs.find((job) => job.name === (verb ?? shop));
}

// The drawer with the command of what was last done or is being written.

let commandText = '';
export const command = new EventTarget();
export function showCommand(text) {
  commandText = text;
  command.dispatchEvent(new Event('change'));
}
export const currentCommand = () => commandText;

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say('Copied');
  } catch {
    say('The browser does not let a page copy here: select the text instead', 'error');
  }
}

/// Starts a job and shows its command.
export async function start(path, words) {
  const job = await ask('jobs', { method: 'POST', body: { path, words } });
  showCommand(job.command);
  return job;
}

/// A state as a chip: a sign and a word, never colour alone.
export function chip(state, title) {
  const signs = { running: '▶', queued: '…', starting: '…', stopping: '◼', finished: '✓', interrupted: '❚❚', failed: '✕', lost: '?' };
  return h(`span.chip.${state}`, { title }, h('span', { 'aria-hidden': 'true' }, signs[state] ?? '·'), ' ', state === 'stopping' ? 'saving…' : state);
}

/// A small curve as SVG.
export function spark(text, width = 96, height = 24) {
  const values = text ? text.split(',').map(Number).filter(Number.isFinite) : [];
  if (values.length < 2) return h('span.dim', {}, '–');
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values.map((value, index) => {
    const x = (index / (values.length - 1)) * (width - 2) + 1;
    const y = height - 2 - ((value - low) / (high - low || 1)) * (height - 4);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('class', 'spark');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `loss from ${number(values[0], 3)} to ${number(values.at(-1), 3)}`);
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  line.setAttribute('points', points.join(' '));
  svg.append(line);
  return svg;
}

/// Asks before something that cannot be undone.
export function confirmed(text, action) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const dialog = h('dialog', { 'aria-label': text },
      h('p', {}, text),
      h('form.row', { method: 'dialog' },
        h('button', { value: 'no', autofocus: true }, 'Cancel'),
        h('button.danger', { value: 'yes' }, action)));
    dialog.addEventListener('close', () => {
      resolve(dialog.returnValue === 'yes');
      dialog.remove();
      before?.focus?.();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/// Calls a function a little later, once for many calls.
export function later(body, milliseconds = 250) {
  let timer = null;
  return (...parts) => { clearTimeout(timer); timer = setTimeout(() => body(...parts), milliseconds); };
}
