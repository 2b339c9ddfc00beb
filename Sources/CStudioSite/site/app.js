// The shell around the screens: navigation, state of the studio, the drawer with the command, keys.

import { announcements, bytes, command, copy, currentCommand, fill, go, h, link, live, place, say, showCommand } from './core.js';
import * as runs from './runs.js';
import * as run from './run.js';
import * as create from './new.js';
import * as compare from './compare.js';
import * as darkroom from './darkroom.js';
import * as faces from './faces.js';
import * as models from './models.js';
import * as queue from './queue.js';

const screens = { runs, run, new: create, compare, darkroom, faces, models, queue };
const navigation = [
  ['runs', 'Runs', 'r'], ['new', 'New', 'n'], ['darkroom', 'Darkroom', 'd'], ['compare', 'Compare', 'c'],
  ['faces', 'Faces', 'f'], ['models', 'Models', 'm'], ['queue', 'Queue', 'q'],
];

const main = h('main', { id: 'main', tabindex: '-1' });
const links = new Map(navigation.map(([name, title, key]) => [name, h('a', { href: link(name), title: `g ${key}` }, title)]));
const jobs = h('a.status', { href: link('queue') });
const disk = h('span.status');
const connection = h('span.status.connection', { role: 'status' });
const theme = h('button.icon', { 'aria-label': 'Dark or light', title: 'Dark or light', onclick: turnTheme }, '◐');
const help = h('button.icon', { 'aria-label': 'Keys', title: 'Keys (?)', onclick: showKeys }, '?');
const line = h('code.line', { tabindex: '0', 'aria-label': 'Command' });
const drawer = h('details.drawer', { open: true },
  h('summary', {}, 'Command'),
  h('div.row', {}, line, h('button', { onclick: () => copy(currentCommand()) }, 'Copy')));
const banner = h('div.banner', { role: 'alert', hidden: true });

document.getElementById('shell').append(
  h('header', {},
    h('a.brand', { href: link('runs'), 'aria-label': 'Atelier, runs' }, h('span', { 'aria-hidden': 'true' }, '◩'), ' Atelier'),
    h('nav', { 'aria-label': 'Screens' }, [...links.values()]),
    h('div.states', {}, jobs, disk, connection, theme, help)),
  banner, main, h('footer', {}, drawer), ...announcements);

// Screens.

let shown = null;
let shownName = '';

async function show() {
  const now = place();
  const key = now.name + '/' + now.parts.join('/');
  if (shown && key === shownName) return shown.moved?.(now);
  shown?.leave?.();
  shown = null;
  showCommand('');
  shownName = key;
  for (const [name, element] of links) {
    const isHere = name === now.name || (name === 'runs' && now.name === 'run');
    if (isHere) element.setAttribute('aria-current', 'page'); else element.removeAttribute('aria-current');
  }
  const module = screens[now.name];
  fill(main);
  if (!module) {
    fill(main, h('h1', {}, 'There is no such screen'), h('p', {}, h('a', { href: link('runs') }, 'To the runs')));
    return;
  }
  try {
    const screen = module.screen(now);
    shown = screen;
    document.title = `${screen.title} · Atelier`;
    fill(main, screen.element);
    scrollTo(0, 0);
    await screen.ready;
  } catch (error) {
    if (shownName !== key) return;
    fill(main, h('h1', {}, 'That did not work'), h('p.error', { role: 'alert' }, error.message),
      h('p', {}, h('a', { href: link('runs') }, 'To the runs')));
  }
}

addEventListener('hashchange', () => show().then(() => {
  // A screen reader hears where it is; the mouse's focus is not moved about for a change of the query.
  if (document.activeElement === document.body) main.focus({ preventScroll: true });
}));

// States.

function showStudio() {
  const { busy, studio } = live;
  const running = busy.filter((job) => job.state !== 'queued').length;
  const waiting = busy.length - running;
  fill(jobs, running || waiting ? `${running} running${waiting ? `, ${waiting} waiting` : ''}` : 'idle');
  jobs.classList.toggle('busy', running > 0);
  fill(disk, studio.diskFree === null ? '' : `${bytes(studio.diskFree)} free`);
  if (studio.isPaused && waiting) fill(jobs, `paused, ${waiting} waiting`);
  tellEnds(studio.jobs);
}

const states = new Map();
let isFirst = true;
function tellEnds(list) {
  for (const job of list) {
    const former = states.get(job.id);
    states.set(job.id, job.state);
    if (isFirst || former === job.state || former === undefined) continue;
    if (job.state === 'failed') say(`${job.path} failed: ${job.lastLines.at(-1) ?? `exit code ${job.code}`}`, 'error');
    if (job.state === 'finished' && job.trains) say(`${job.path} has finished`);
  }
  isFirst = false;
}

function showConnection() {
  const texts = { connecting: 'connecting…', connected: 'connected', lost: 'disconnected', asleep: 'asleep' };
  fill(connection, h(`span.dot.${live.state}`, { 'aria-hidden': 'true' }), ' ', texts[live.state]);
  banner.hidden = live.state !== 'lost';
  if (live.state === 'lost') {
    fill(banner, 'The studio does not answer. Trainings go on without it. Start ', h('code', {}, 'atelier-studio'),
      ' again; this page connects by itself.');
  }
}

live.addEventListener('studio', showStudio);
live.addEventListener('state', showConnection);
command.addEventListener('change', () => {
  line.textContent = currentCommand();
  drawer.hidden = !currentCommand();
});
drawer.hidden = true;
showStudio();
showConnection();

// Dark and light.

function turnTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
  try { localStorage.setItem('theme', root.dataset.theme); } catch { /* a private window */ }
  dispatchEvent(new Event('themechange'));
}
try {
  const kept = localStorage.getItem('theme');
  if (kept) document.documentElement.dataset.theme = kept;
} catch { /* a private window */ }

// Keys.

const everywhere = [['?', 'show the keys'], ['g and a letter', navigation.map(([, title, key]) => `${key} ${title}`).join(', ')], ['Esc', 'close, leave a field']];

function showKeys() {
  const own = shown?.keys ?? [];
  const dialog = h('dialog.keys', { 'aria-label': 'Keys' },
    h('h2', {}, 'Keys'),
    h('table', {}, h('tbody', {}, [...everywhere, ...own].map(([key, text]) =>
      h('tr', {}, h('th', { scope: 'row' }, h('kbd', {}, key)), h('td', {}, text))))),
    h('form', { method: 'dialog' }, h('button', { autofocus: true }, 'Close')));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

let isGoing = false;
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === 'Enter' && shown?.submit) { event.preventDefault(); shown.submit(); }
    return;
  }
  const target = event.target;
  const isField = target.matches?.('input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]');
  if (event.key === 'Escape') {
    if (isField) target.blur(); else shown?.key?.(event);
    isGoing = false;
    return;
  }
  if (isField || document.querySelector('dialog[open]')) return;
  if (isGoing) {
    isGoing = false;
    const found = navigation.find(([, , key]) => key === event.key);
    if (found) { event.preventDefault(); go(found[0]); }
    return;
  }
  if (event.key === 'g') { isGoing = true; setTimeout(() => { isGoing = false; }, 1500); return; }
  if (event.key === '?') { event.preventDefault(); showKeys(); return; }
  // A button or a link takes Enter and Space itself.
  if (['Enter', ' '].includes(event.key) && target.matches?.('a, button, summary, input')) return;
  if (target.matches?.('input[type=range]') && event.key.startsWith('Arrow')) return;
  if (shown?.key?.(event)) event.preventDefault();
});

show();
