// Runs: the list of all trainings below the roots, sorted, filtered, searched, chosen for comparison.

import { ask, attempt, bytes, chip, duration, fill, formOf, go, h, keep, later, link, live, number, spark, start, when } from './core.js';

const columns = [
  ['state', 'State'], ['name', 'Name'], ['job', 'Work'], ['network', 'Network'], ['step', 'Step'], ['best', 'Best'],
  ['rate', 'Rate'], ['remaining', 'Left'], [null, 'Loss'], ['bytes', 'Disk'], ['updated', 'Changed'],
];
const pageSize = 100;

export function screen(now) {
  const chosen = new Set();
  let rows = [];
  let total = 0;
  let current = 0;
  let version = -1;
  let query = read(now.query);
  let controller = null;

  const search = h('input', { type: 'search', placeholder: 'name, note, setting, figure', 'aria-label': 'Search runs', value: query.search,
    oninput: later(() => change({ search: search.value, offset: 0 })) });
  const state = select('State', ['', 'running', 'finished', 'interrupted', 'failed', 'lost'], query.state, (value) => change({ state: value, offset: 0 }));
  const job = select('Workshop', ['', 'denoise', 'swap', 'segment', 'classify', 'attack', 'generate'], query.job, (value) => change({ job: value, offset: 0 }));
  const compare = h('button', { disabled: true, onclick: compareChosen }, 'Compare');
  const count = h('p.dim', { role: 'status' });
  const body = h('tbody');
  const heads = columns.map(([key, title]) => h('th', { scope: 'col' }, key
    ? h('button.sort', { onclick: () => sortBy(key) }, title, h('span', { 'aria-hidden': 'true' })) : title));
  const table = h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': 'List of runs' }, h('table.runs', {},
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, h('span.unseen', {}, 'Choose')), heads)), body));
  const pages = h('div.row.pages');
  const empty = h('section.empty', { hidden: true });
  const element = h('div', {},
    h('div.row.head', {}, h('h1', {}, 'Runs'), h('a.button.primary', { href: link('new') }, 'New training')),
    h('div.row.filters', { role: 'search' }, search, state, job, compare),
    count, table, pages, empty);

  function read(from) {
    return { search: from.get('search') ?? '', state: from.get('state') ?? '', job: from.get('job') ?? '', sort: from.get('sort') ?? 'updated',
      order: from.get('order') ?? 'down', offset: Number(from.get('offset') ?? 0) };
  }

  function select(title, choices, value, onchange) {
    const box = h('select', { 'aria-label': title, onchange: () => onchange(box.value) },
      choices.map((choice) => h('option', { value: choice }, choice || `${title}: all`)));
    box.value = value;
    return box;
  }

  function change(changes) {
    query = { ...query, ...changes };
    keep({ ...query, sort: query.sort === 'updated' ? '' : query.sort, order: query.order === 'down' ? '' : query.order, offset: query.offset || '' });
    return load();
  }

  function sortBy(key) {
    const isSame = query.sort === key;
    change({ sort: key, order: isSame && query.order === 'down' ? 'up' : 'down', offset: 0 });
  }

  async function load() {
    controller?.abort();
    controller = new AbortController();
    const page = await attempt(() => ask('runs?' + new URLSearchParams({ ...query, limit: pageSize }), { signal: controller.signal }));
    if (!page) return;
    rows = page.rows;
    total = page.total;
    current = Math.min(current, Math.max(rows.length - 1, 0));
    draw();
  }

  function draw() {
    heads.forEach((head, index) => {
      const key = columns[index][0];
      const direction = key === query.sort ? (query.order === 'up' ? 'ascending' : 'descending') : null;
      if (direction) head.setAttribute('aria-sort', direction); else head.removeAttribute('aria-sort');
      const sign = head.querySelector('span');
      if (sign) sign.textContent = direction ? (direction === 'ascending' ? ' ↑' : ' ↓') : '';
    });
    const focused = document.activeElement?.closest?.('tr')?.dataset.id;
    fill(body, rows.map(row));
    if (focused) body.querySelector(`tr[data-id="${focused}"] a`)?.focus();
    const isFiltered = query.search || query.state || query.job;
    table.hidden = !rows.length;
    count.textContent = total ? `${total} run${total === 1 ? '' : 's'}` : '';
    empty.hidden = rows.length > 0;
    if (!rows.length) fill(empty, isFiltered ? nothingFound() : nothingYet());
    fill(pages, total > pageSize && [
      h('button', { disabled: query.offset === 0, onclick: () => change({ offset: Math.max(0, query.offset - pageSize) }) }, 'Former'),
      h('span', {}, `${query.offset + 1} to ${Math.min(query.offset + pageSize, total)}`),
      h('button', { disabled: query.offset + pageSize >= total, onclick: () => change({ offset: query.offset + pageSize }) }, 'Next')]);
    compare.disabled = chosen.size < 1;
    compare.textContent = chosen.size ? `Compare ${chosen.size}` : 'Compare';
  }

  function row(run, index) {
    const box = h('input', { type: 'checkbox', checked: chosen.has(run.id), 'aria-label': `Choose ${run.name}`, onchange: () => choose(run.id, box.checked) });
    const isOpen = run.total && run.state === 'running';
    return h('tr', { data: { id: run.id }, class: index === current ? 'current' : null },
      h('td', {}, box), h('td', {}, chip(run.state)),
      h('td.name', {}, h('a', { href: link(`run/${run.id}`) }, run.name), run.note && h('div.dim.note', {}, run.note.slice(0, 80))),
      h('td', {}, run.job), h('td', {}, run.network),
      h('td.number', {}, run.total ? `${run.step} of ${run.total}` : run.step, isOpen && h('progress', { max: run.total, value: run.step, 'aria-label': 'Progress' })),
      h('td.number', {}, run.best === null || run.best === undefined ? '–' : number(run.best), h('div.dim', {}, run.metric ?? '')),
      h('td.number', {}, run.rate ? `${number(run.rate, 3)}/s` : '–'),
      h('td.number', {}, duration(run.remaining)), h('td', {}, spark(run.spark)),
      h('td.number', {}, run.bytes ? bytes(run.bytes) : '–'), h('td', {}, when(run.updated)));
  }

  function choose(id, isChosen) {
    if (isChosen && chosen.size >= 6) chosen.delete([...chosen][0]);
    if (isChosen) chosen.add(id); else chosen.delete(id);
    draw();
  }

  function compareChosen() { go('compare', { runs: [...chosen].join(',') }); }

  function nothingFound() {
    return [h('h2', {}, 'No run fits'), h('button', { onclick: () => { search.value = ''; state.value = ''; job.value = ''; change({ search: '', state: '', job: '', offset: 0 }); } }, 'Show all')];
  }

  function nothingYet() {
    return [
      h('h2', {}, 'No run yet'),
      h('p', {}, 'A run is a folder that a training writes. Those that a terminal starts below this studio’s folders show up here as well:'),
      h('pre', {}, 'atelier denoise train --data photos --network unet --run runs/photos --minutes 30\natelier classify train --data fashion-mnist --network course --run runs/shirts'),
      h('button.primary', { onclick: startSample }, 'Start a sample training'),
      h('p.dim', {}, 'It learns to take noise out of drawn scenes, in about three minutes, into runs/sample.'),
    ];
  }

  async function startSample() {
    await attempt(async () => {
      await formOf('denoise train');
      const job = await start('denoise train', {
        run: ['runs/sample'], scenes: ['6'], network: ['autoencoder'], channels: ['1'], widths: ['16,32'], patch: ['48'], batch: ['8'],
        steps: ['4000'], 'validate-every': ['100'], 'preview-every': ['100'], 'save-every': ['200'] });
      waitFor(job);
    });
  }

  function waitFor(job) {
    go('run/' + job.runID, { job: job.id });
  }

  function key(event) {
    switch (event.key) {
    case '/': search.focus(); search.select(); return true;
    case 'j': case 'ArrowDown': move(1); return true;
    case 'k': case 'ArrowUp': move(-1); return true;
    case 'x': if (rows[current]) choose(rows[current].id, !chosen.has(rows[current].id)); return true;
    case 'Enter': if (rows[current]) go(`run/${rows[current].id}`); return true;
    case 'c': if (chosen.size) compareChosen(); return true;
    default: return false;
    }
  }

  function move(by) {
    current = Math.min(Math.max(current + by, 0), rows.length - 1);
    draw();
    body.children[current]?.scrollIntoView({ block: 'nearest' });
  }

  const seen = () => { if (live.studio.runs !== version) { version = live.studio.runs; load(); } };
  live.addEventListener('studio', seen);
  return {
    title: 'Runs', element, ready: load(), key,
    keys: [['/', 'search'], ['j k', 'down, up'], ['x', 'choose'], ['Enter', 'open'], ['c', 'compare the chosen']],
    moved: (to) => { query = read(to.query); search.value = query.search; state.value = query.state; job.value = query.job; return load(); },
    leave: () => { live.removeEventListener('studio', seen); controller?.abort(); },
  };
}

