// Queue and disk: what runs and waits, in order; what takes room, and what is lost when it is dropped.

import { ask, attempt, bytes, chip, confirmed, copy, duration, fill, h, isOver, link, live, say, when } from './core.js';

export function screen(now) {
  let jobs = [];
  let current = 0;
  let isGone = false;
  const list = h('ol.jobs');
  const pause = h('button', { onclick: () => attempt(() => ask('queue', { method: 'POST', body: { paused: !live.studio.isPaused } })) });
  const told = h('p.dim', { role: 'status' });
  const disk = h('section.panel');
  const element = h('div', {}, h('div.row.head', {}, h('h1', {}, 'Queue and disk'), pause), told, list, disk);

  async function load() {
    const found = await attempt(() => ask('jobs'));
    if (!found || isGone) return;
    const order = (job) => job.state === 'queued' ? 1 : isOver(job) ? 2 : 0;
    jobs = found.sort((one, other) => order(one) - order(other) || (order(one) === 1 ? one.created - other.created : other.created - one.created));
    draw();
  }

  function draw() {
    pause.textContent = live.studio.isPaused ? 'Go on with the queue' : 'Pause the queue';
    told.textContent = live.studio.isPaused ? 'The queue is paused: nothing new is started.' : 'One training at a time; other work runs beside it.';
    const open = new Set([...list.querySelectorAll('details[open]')].map((one) => one.dataset.id));
    const focused = list.contains(document.activeElement) ? document.activeElement.closest('li')?.dataset.id : null;
    fill(list, jobs.map((job, index) => row(job, index, open.has(job.id) || now.query.get('job') === job.id)), !jobs.length && h('li.empty', {}, 'Nothing runs and nothing waits. ', h('a', { href: link('new') }, 'Start something')));
    if (focused) list.querySelector(`li[data-id="${focused}"] button`)?.focus();
  }

  function row(job, index, isOpen) {
    const verb = (name, text, body = {}, kind = '') => h(`button${kind}`, { onclick: () => attempt(async () => { await ask(`jobs/${job.id}/${name}`, { method: 'POST', body }); load(); }) }, text);
    const { progress } = job;
    const clock = live.studio.time ?? Date.now() / 1000;
    return h('li.job', { data: { id: job.id }, class: index === current ? 'job current' : 'job' },
      h('div.row', {}, chip(job.state), h('strong', {}, job.path),
        job.runID ? h('a', { href: link(`run/${job.runID}`, { job: job.id }) }, job.run.split('/').at(-1)) : isOver(job) && !job.trains ? h('a', { href: link('darkroom', { job: job.id }) }, 'results') : '',
        progress && h('span.row', {}, h('progress', { max: progress.total ?? undefined, value: progress.total ? progress.done : undefined, 'aria-label': 'Progress' }),
          h('span.number', {}, `${progress.done}${progress.total ? ` of ${progress.total}` : ''} ${progress.unit}`), progress.remainingSeconds ? `${duration(progress.remainingSeconds)} left` : ''),
        job.waitsFor && h('span.dim', {}, `waits: ${job.waitsFor}`),
        h('span.grow'), h('span.dim', {}, isOver(job) ? `${when(job.ended)}${job.started ? `, took ${duration(job.ended - job.started)}` : ''}` : ''),
        job.state === 'queued' && [h('button.icon', { 'aria-label': 'Earlier', onclick: () => move(job, -1) }, '↑'), h('button.icon', { 'aria-label': 'Later', onclick: () => move(job, 1) }, '↓'), verb('stop', 'Cancel')],
        ['starting', 'running'].includes(job.state) && verb('stop', 'Stop'),
        job.state === 'stopping' && clock - job.stopped > 30 && h('button.danger', { onclick: () => kill(job) }, 'Kill'),
        ['failed', 'interrupted', 'lost'].includes(job.state) && verb('retry', job.trains ? 'Resume' : 'Retry'),
        isOver(job) && verb('forget', 'Remove')),
      job.state === 'failed' && h('p.error', {}, `exit code ${job.code ?? '?'}: ${job.lastLines.at(-1) ?? ''}`),
      h('details', { open: isOpen, data: { id: job.id } }, h('summary', {}, 'Command'), h('pre', {}, job.command), h('button', { onclick: () => copy(job.command) }, 'Copy'),
        job.lastLines.length > 0 && h('pre', {}, job.lastLines.join('\n'))));
  }

  const move = (job, by) => attempt(async () => { await ask(`jobs/${job.id}/move`, { method: 'POST', body: { by } }); load(); });

  async function kill(job) {
    if (await confirmed('Kill the job? What came after its last save is lost.', 'Kill')) await attempt(() => ask(`jobs/${job.id}/kill`, { method: 'POST', body: {} }));
  }

  async function loadDisk() {
    const [state, page] = await Promise.all([ask('disk'), ask('runs?sort=bytes&limit=50')]);
    if (isGone) return;
    const isLow = state.free !== null && state.free < state.reserve;
    fill(disk, h('h2', {}, 'Disk'),
      h('p', {}, `${bytes(state.free)} free. Uploads take ${bytes(state.uploads)}, results of jobs ${bytes(state.jobs)}.`),
      isLow && h('p.error', { role: 'alert' }, `Less than ${bytes(state.reserve)} are free: nothing new is started.`),
      state.uploads > 0 && h('button', { onclick: removeUploads }, 'Remove uploads'),
      page.rows.length > 0 && h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': 'Sizes of runs' }, h('table', {}, h('thead', {}, h('tr', {}, ['Run', 'Disk', 'State', ''].map((title) => h('th', { scope: 'col' }, title)))),
        h('tbody', {}, page.rows.map((row) => h('tr', {}, h('td', {}, h('a', { href: link(`run/${row.id}`) }, row.name)), h('td.number', {}, bytes(row.bytes)), h('td', {}, chip(row.state)),
          h('td', {}, h('div.row', {}, h('button', { disabled: row.state === 'running', onclick: () => drop(row, 'previews', 'its pictures by step are gone, curves and models stay') }, 'Drop previews'),
            row.hasState && h('button', { disabled: row.state === 'running', onclick: () => drop(row, 'state', 'it can no longer be resumed, models and curves stay') }, 'Drop state')))))))));
  }

  async function drop(row, what, loss) {
    if (!await confirmed(`Drop the ${what} of ${row.name}? Then ${loss}.`, 'Drop')) return;
    await attempt(async () => { const { bytes: freed } = await ask(`runs/${row.id}/drop`, { method: 'POST', body: { what } }); say(`${bytes(freed)} freed`); loadDisk(); });
  }

  async function removeUploads() {
    if (await confirmed('Remove all uploaded pictures? Results stay.', 'Remove')) await attempt(async () => { await ask('uploads', { method: 'DELETE' }); loadDisk(); });
  }

  function key(event) {
    const job = jobs[current];
    switch (event.key) {
    case 'j': case 'ArrowDown': current = Math.min(current + 1, jobs.length - 1); draw(); return true;
    case 'k': case 'ArrowUp': current = Math.max(current - 1, 0); draw(); return true;
    case 'Delete': if (job) attempt(async () => { await ask(`jobs/${job.id}/${isOver(job) ? 'forget' : 'stop'}`, { method: 'POST', body: {} }); load(); }); return true;
    default: return false;
    }
  }

  const changed = () => load();
  live.addEventListener('studio', changed);
  return { title: 'Queue and disk', element, ready: Promise.all([load(), loadDisk()]), key, keys: [['j k', 'down, up'], ['Del', 'cancel, stop or remove']], leave: () => { isGone = true; live.removeEventListener('studio', changed); } };
}
