// Faces: cut faces out of pictures, look them through by sharpness, and train a swap of two sets.

import { ask, attempt, confirmed, fill, go, h, link, live, number, say, start } from './core.js';
import { pickPlace } from './form.js';

export function screen(now) {
  return now.parts[0] ? one(now.parts[0]) : list();
}

const consent = 'Use faces only of people who agreed to it. A swap shows somebody doing what they did not do: say so wherever it is shown.';

function list() {
  let version = -1;
  let sets = [];
  let current = 0;
  const chosen = { a: '', b: '' };
  const cards = h('div.cards');
  const source = h('input', { type: 'text', id: 'face-source', placeholder: 'Samples/characters' });
  const name = h('input', { type: 'text', id: 'face-name', placeholder: 'faces/a' });
  const train = h('div.row');
  const element = h('div', {}, h('h1', {}, 'Faces'), h('p.notice', {}, consent),
    h('section.panel', {}, h('h2', {}, 'Cut faces out'),
      h('div.fields', {}, h('div.field', {}, h('label', { for: 'face-source' }, 'pictures or a film'), h('div.row', {}, source, h('button', { 'aria-label': 'Choose pictures', onclick: async () => { source.value = await pickPlace() ?? source.value; } }, '…'))),
        h('div.field', {}, h('label', { for: 'face-name' }, 'new folder'), name)),
      h('button.primary', { onclick: extract }, 'Cut out'), ' ', h('a', { href: link('new/swap/extract') }, 'with all options')),
    h('h2', {}, 'Sets'), cards, train);

  async function extract() {
    await attempt(async () => {
      const job = await start('swap extract', { in: [source.value || source.placeholder], output: [name.value || name.placeholder] });
      go('queue', { job: job.id });
    });
  }

  async function load() {
    sets = await ask('faces');
    draw();
  }

  function draw() {
    fill(cards, sets.map((set, index) => h('div.card', { class: index === current ? 'card current' : 'card' }, h('h3', {}, h('a', { href: link(`faces/${set.id}`) }, set.path)), h('p', {}, `${set.count} faces`),
      h('div.row', {}, ['a', 'b'].map((key) => h('button.toggle', { 'aria-pressed': String(chosen[key] === set.path), onclick: () => choose(key, index) }, key.toUpperCase()))))),
    !sets.length && h('p.empty', {}, 'No faces were cut out yet.'));
    fill(train, h('button.primary', { disabled: !(chosen.a && chosen.b) || chosen.a === chosen.b, onclick: () => go('new/swap/train', { words: JSON.stringify({ a: [chosen.a], b: [chosen.b], minutes: ['60'] }) }) }, 'Train A and B'),
      h('span.dim', {}, chosen.a && chosen.b ? `A ${chosen.a}, B ${chosen.b}` : 'choose a set as A and another as B; the run tells when the error comes to 0.02'));
  }

  function choose(key, index) {
    if (!sets[index]) return;
    current = index;
    chosen[key] = chosen[key] === sets[index].path ? '' : sets[index].path;
    draw();
  }

  function key(event) {
    switch (event.key) {
    case 'ArrowRight': case 'j': current = Math.min(current + 1, sets.length - 1); draw(); return true;
    case 'ArrowLeft': case 'k': current = Math.max(current - 1, 0); draw(); return true;
    case 'a': case 'b': choose(event.key, current); return true;
    case 'Enter': if (sets[current]) go(`faces/${sets[current].id}`); return true;
    default: return false;
    }
  }

  const changed = () => { if (live.studio.runs !== version) { version = live.studio.runs; attempt(load); } };
  live.addEventListener('studio', changed);
  return { title: 'Faces', element, ready: load(), key, keys: [['← →', 'from set to set'], ['a b', 'take the set as A, as B'], ['Enter', 'look it through']], leave: () => live.removeEventListener('studio', changed) };
}

function one(id) {
  let faces = [];
  let current = 0;
  let order = 'sharpness';
  const removed = new Set();
  const grid = h('ul.faces', { 'aria-label': 'Faces' });
  const count = h('p.dim', { role: 'status' });
  const remove = h('button.danger', { disabled: true, onclick: removeChosen }, 'Remove');
  const sort = h('select', { 'aria-label': 'Order', onchange: () => { order = sort.value; draw(); } }, h('option', { value: 'sharpness' }, 'blurred first'), h('option', { value: 'name' }, 'by name'));
  const element = h('div', {}, h('p', {}, h('a', { href: link('faces') }, '← Faces')), h('div.row.head', {}, h('h1', {}, 'Faces'), sort, remove), count, grid);

  async function load() { faces = await ask(`faces/${id}`); draw(); }

  function sorted() {
    return [...faces].sort((one, other) => order === 'name' ? one.name.localeCompare(other.name) : (one.sharpness ?? 0) - (other.sharpness ?? 0));
  }

  function draw() {
    const shown = sorted();
    current = Math.min(current, Math.max(0, shown.length - 1));
    fill(grid, shown.map((face, index) => h('li', { class: index === current ? 'current' : null }, h('button.face', { 'aria-pressed': String(removed.has(face.name)), onclick: () => { current = index; turn(face.name); } },
      h('img', { src: `/api/faces/${id}/pictures/${encodeURIComponent(face.name)}`, alt: face.name, loading: 'lazy' }), h('span.dim', {}, face.sharpness === undefined || face.sharpness === null ? face.name : `sharpness ${number(face.sharpness, 2)}`)))));
    count.textContent = `${faces.length} faces${removed.size ? `, ${removed.size} to remove` : ''}`;
    remove.disabled = !removed.size;
    remove.textContent = removed.size ? `Remove ${removed.size}` : 'Remove';
  }

  function turn(name) { if (removed.has(name)) removed.delete(name); else removed.add(name); draw(); }

  async function removeChosen() {
    if (!await confirmed(`Move ${removed.size} faces into the folder "removed"?`, 'Remove')) return;
    await attempt(async () => { faces = await ask(`faces/${id}/remove`, { method: 'POST', body: { names: [...removed] } }); removed.clear(); say('Moved into the folder "removed"'); draw(); });
  }

  return {
    title: 'Faces', element, ready: load(), keys: [['← →', 'from face to face'], ['x', 'to remove or keep'], ['Del', 'remove the chosen']],
    key: (event) => {
      const shown = sorted();
      switch (event.key) {
      case 'ArrowRight': current = Math.min(current + 1, shown.length - 1); draw(); return true;
      case 'ArrowLeft': current = Math.max(current - 1, 0); draw(); return true;
      case 'x': if (shown[current]) turn(shown[current].name); return true;
      case 'Delete': if (removed.size) removeChosen(); return true;
      default: return false;
      }
    },
  };
}
