// Run: curves that grow, previews by step, log, configuration, files; stop, resume, export.

import { ask, attempt, bytes, chip, confirmed, duration, fill, h, isOver, keep, link, live, number, say, showCommand, when } from './core.js';
import { Chart, color } from './plot.js';
import { RunLog, smoothed } from './runlog.js';
import { Viewer } from './viewer.js';

const titles = { learningRate: 'Learning rate', gradientNorm: 'Gradient norm', imagesPerSecond: 'Pictures a second' };

export function screen(now) {
  const id = now.parts[0];
  const asked = now.query;
  let view = null;
  let log = null;
  let isGone = false;
  let weight = Number(asked.get('smooth') ?? 0.6);
  let axis = asked.get('x') === 'time' ? 'time' : 'step';
  let isLog = asked.get('log') === '1';
  let series = asked.get('series') ?? '';
  let step = asked.has('step') ? Number(asked.get('step')) : null;
  let timer = null;
  const charts = new Map();

  const heading = h('h1', {}, '…');
  const state = h('span');
  const figures = h('dl.figures');
  const actions = h('div.row');
  const waiting = h('p.empty', { hidden: true, role: 'status' }, 'Waiting for the first numbers…');
  const grid = h('div.charts');
  const smooth = h('input', { type: 'range', min: 0, max: 1000, value: String(toSlider(weight)), 'aria-label': 'Smoothing', oninput: () => setWeight(fromSlider(Number(smooth.value))) });
  const smoothText = h('output', {}, String(weight));
  const byTime = h('button.toggle', { 'aria-pressed': String(axis === 'time'), onclick: () => setAxis(axis === 'time' ? 'step' : 'time') }, 'By time');
  const logScale = h('button.toggle', { 'aria-pressed': String(isLog), onclick: () => setLog(!isLog) }, 'Log scale');
  const viewer = new Viewer({ label: 'Preview' });
  const slider = h('input', { type: 'range', min: 0, max: 0, value: '0', 'aria-label': 'Step of the preview', oninput: () => showPreview(Number(slider.value)) });
  const stepText = h('output.number');
  const play = h('button', { onclick: togglePlay, 'aria-label': 'Play' }, '▶');
  const kinds = h('select', { 'aria-label': 'Kind of preview', onchange: () => { series = kinds.value; keep({ series }); drawPreviews(true); } });
  const previews = h('section.panel', { 'aria-label': 'Previews', hidden: true },
    h('div.row', {}, h('h2', {}, 'Previews'), kinds, play, slider, stepText), viewer.element, h('p.dim.captions'));
  const messages = h('ol.log');
  const configuration = h('pre');
  const files = h('tbody');
  const note = h('textarea', { rows: 2, 'aria-label': 'Note', placeholder: 'What is this run about?', onchange: () => attempt(() => ask(`runs/${id}/note`, { method: 'PUT', body: { note: note.value } })) });
  const element = h('div.run', {},
    h('div.row.head', {}, heading, state, h('span.grow'), actions), figures, waiting,
    h('div.row.controls', { role: 'group', 'aria-label': 'Curves' }, h('label.row', {}, 'Smoothing ', smooth, smoothText), byTime, logScale,
      h('span.dim', {}, 'drag to zoom, double click to go back')),
    grid, previews,
    h('section.panel', {}, h('h2', {}, 'Note'), note),
    h('details.panel', { open: true }, h('summary', {}, 'Log'), messages),
    h('details.panel', {}, h('summary', {}, 'Settings'), configuration),
    h('details.panel', {}, h('summary', {}, 'Files'), h('table', {}, files)));

  // 0 to 0.999, finer towards the end, where it matters.
  function toSlider(value) { return Math.round(1000 * Math.log(1 - value) / Math.log(0.001)); }
  function fromSlider(value) { return Number((1 - Math.pow(0.001, value / 1000)).toFixed(3)); }

  function setWeight(value) {
    weight = Math.min(Math.max(value, 0), 0.999);
    smooth.value = String(toSlider(weight));
    smoothText.textContent = String(weight);
    keep({ smooth: weight === 0.6 ? '' : weight });
    drawCharts();
  }

  function setAxis(value) {
    axis = value;
    byTime.setAttribute('aria-pressed', String(axis === 'time'));
    keep({ x: axis === 'time' ? 'time' : '' });
    resetCharts();
  }

  function setLog(value) {
    isLog = value;
    logScale.setAttribute('aria-pressed', String(isLog));
    keep({ log: isLog });
    resetCharts();
  }

  async function load() {
    // A training that was just started makes its folder within moments.
    for (;;) {
      view = await ask(`runs/${id}?wait`);
      if (view || isGone) break;
      const job = live.studio.jobs.find((one) => one.runID === id) ?? (asked.has('job') ? await ask(`jobs/${asked.get('job')}`) : null);
      if (!job) throw new Error('There is no such run any more.');
      fill(heading, job.run?.split('/').at(-1) ?? id);
      fill(state, chip(job.state, job.waitsFor));
      fill(actions, !isOver(job) && h('button', { disabled: job.state === 'stopping', onclick: () => attempt(() => ask(`jobs/${job.id}/stop`, { method: 'POST', body: {} })) }, job.state === 'queued' ? 'Cancel' : 'Stop'));
      waiting.hidden = false;
      fill(waiting, isOver(job) ? h('span', {}, `The job: ${job.state}. `, h('code', {}, job.lastLines.join('\n'))) : job.waitsFor ? `Waits: ${job.waitsFor}.` : 'Waiting for the first numbers… the data is being prepared.');
      if (isOver(job)) return;
      showCommand(job.command);
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    if (isGone) return;
    log = new RunLog(id);
    log.addEventListener('change', seen);
    log.addEventListener('reset', () => resetCharts());
    await log.open();
    drawHead();
    drawAll();
  }

  let isDue = false;
  function seen() {
    if (isDue || isGone) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; if (!isGone) drawAll(); });
  }

  function drawAll() {
    drawFigures();
    drawCharts();
    drawPreviews(false);
    drawMessages();
  }

  function job() { return live.studio.jobs.find((one) => one.runID === id && !isOver(one)); }

  function drawHead() {
    const { row, about } = view;
    fill(heading, row.name);
    document.title = `${row.name} · Atelier`;
    note.value = row.note;
    configuration.textContent = view.configuration ?? 'no configuration.json';
    fill(files, view.files.map((file, index) => h('tr', {},
      h('td', {}, file.name.endsWith('/') ? file.name : h('a', { href: `/api/runs/${id}/files/${index}`, download: file.name }, file.name)),
      h('td.number', {}, bytes(file.bytes)))));
    drawState();
    if (view.resumeCommand) showCommand(about ? commandOf(about, view.place) : view.resumeCommand);
  }

  function commandOf(about, run) {
    const words = Object.entries(about.arguments).flatMap(([name, values]) => [`--${name}`, ...values.filter((value) => value !== '')]);
    return ['atelier', ...about.job.split(' '), '--run', run, ...words].map((word) => /[^\w\-./:,=+@%]/.test(word) ? `'${word}'` : word).join(' ');
  }

  function drawState() {
    const work = job();
    const { row } = view;
    const name = work && work.state !== 'running' ? work.state : row.state;
    fill(state, chip(name, row.reason));
    const isLive = name === 'running' || name === 'stopping' || name === 'starting';
    const now = live.studio.time ?? Date.now() / 1000;
    fill(actions,
      isLive && h('button', { disabled: name === 'stopping', onclick: stop }, name === 'stopping' ? 'Saving…' : 'Stop'),
      work?.state === 'stopping' && now - work.stopped > 30 && h('button.danger', { onclick: () => kill(work) }, 'Kill'),
      !isLive && ['interrupted', 'lost', 'failed'].includes(name) && row.hasState && h('button.primary', { onclick: () => resume({}) }, 'Resume'),
      !isLive && name === 'finished' && row.hasState && h('button', { onclick: goOn }, 'Train on'),
      view.files.some((file) => ['best.safetensors', 'last.safetensors'].includes(file.name)) && h('a.button', { href: `/api/runs/${id}/files/${view.files.findIndex((file) => file.name === (view.files.some((one) => one.name === 'best.safetensors') ? 'best.safetensors' : 'last.safetensors'))}`, download: `${row.name}.safetensors` }, 'Export model'),
      view.files.some((file) => file.name.endsWith('.safetensors')) && h('a.button', { href: link(`models/run/${id}`) }, 'Look into model'),
      h('a.button', { href: link('compare', { runs: id }) }, 'Compare'));
  }

  function drawFigures() {
    const { row } = view;
    const last = log.steps.at(-1) ?? row.step;
    const rate = log.columns.get('imagesPerSecond')?.at(-1);
    const entries = [
      ['Work', row.job || '–'], ['Network', row.network || '–'],
      ['Step', log.totalSteps ? `${last} of ${log.totalSteps}` : String(last)],
      ['Time', duration(log.seconds.at(-1))], ['Left', log.isOver ? '–' : duration(log.remaining)],
      ['Rate', rate ? `${number(rate, 3)} pictures/s` : '–'],
      ['Best', log.best ? `${log.best.metric} ${number(log.best.value)} at step ${log.best.step}` : '–'],
      ['Changed', when(row.updated)],
    ];
    // When a face swap's error comes to its goal: the trainer's own forecast while it runs.
    const forecast = job()?.forecast;
    if (forecast) entries.push(['Outlook', forecast]);
    fill(figures, entries.map(([term, text]) => h('div', {}, h('dt', {}, term), h('dd', {}, text))));
    waiting.hidden = log.steps.length > 0;
  }

  function resetCharts() {
    for (const chart of charts.values()) { chart.destroy(); chart.figure.remove(); }
    charts.clear();
    drawCharts();
  }

  function chart(key, title) {
    let found = charts.get(key);
    if (!found) {
      charts.set(key, found = new Chart({ title, axis, isLog }));
      grid.append(found.figure);
    }
    return found;
  }

  function drawCharts() {
    if (!log || !log.steps.length) return;
    const x = axis === 'time' ? log.seconds : log.steps;
    const curve = (label, values, index) => ({ label, x, raw: values, smooth: weight ? smoothed(values, weight) : undefined, color: color(index) });
    const padded = (values) => values.length < x.length ? values.concat(new Array(x.length - values.length).fill(null)) : values;
    const losses = ['loss', ...[...log.columns.keys()].filter((name) => name.startsWith('value '))].filter((name) => log.columns.has(name));
    const few = losses.length > 6 ? losses.slice(0, 6) : losses;
    chart('loss', 'Loss').set(few.map((name, index) => curve(name.replace('value ', ''), padded(log.columns.get(name)), index)));
    let index = 1;
    for (const [name, metric] of log.metrics) {
      const own = axis === 'time' ? metric.seconds : metric.steps;
      const best = log.best?.metric === name ? { x: own[metric.steps.lastIndexOf(log.best.step)], y: log.best.value } : null;
      chart(`metric ${name}`, name.replaceAll('_', ' ')).set([{ label: name, x: own, raw: metric.values, color: color(index), points: metric.values.length < 60, best: best?.x === undefined ? null : best }]);
      index += 1;
    }
    for (const name of Object.keys(titles)) if (log.columns.has(name)) {
      const values = padded(log.columns.get(name));
      const label = titles[name].toLowerCase();
      // A schedule is exact: smoothing would only lag behind it.
      chart(name, titles[name]).set([name === 'learningRate' ? { label, x, raw: values, color: color(4) } : curve(label, values, 4)]);
    }
  }

  // Previews.

  let shown = [];
  let isFollowing = step === null;
  let fetching = null;
  async function drawPreviews(isChanged) {
    const known = view.previews.length;
    if (log.previews.length > known || (log.previews.length && !known)) {
      // The list of files is the server's; it is asked again once for several events.
      fetching ??= ask(`runs/${id}`).then((fresh) => { view = fresh; fetching = null; if (!isGone) { drawState(); drawPreviews(true); } }).catch(() => { fetching = null; });
    }
    if (!view.previews.length) return;
    if (previews.hidden || isChanged) {
      const names = [...new Set(view.previews.map((one) => one.series))];
      if (!names.includes(series)) series = names[0];
      kinds.hidden = names.length < 2;
      fill(kinds, names.map((name) => h('option', { value: name }, name || 'preview')));
      kinds.value = series;
      shown = view.previews.map((one, index) => ({ ...one, index })).filter((one) => one.series === series);
      slider.max = String(shown.length - 1);
      previews.hidden = false;
      const index = isFollowing ? shown.length - 1 : Math.max(0, shown.findIndex((one) => one.step >= step));
      showPreview(index, isFollowing);
    }
  }

  function showPreview(index, isAutomatic = false) {
    const preview = shown[Math.min(Math.max(index, 0), shown.length - 1)];
    if (!preview) return;
    const at = shown.indexOf(preview);
    isFollowing = at === shown.length - 1;
    slider.value = String(at);
    slider.setAttribute('aria-valuetext', `step ${preview.step}`);
    stepText.textContent = `step ${preview.step}`;
    step = preview.step;
    if (!isAutomatic) keep({ step: isFollowing ? '' : step, series });
    const cells = log.previews.find((one) => one.file === preview.file)?.cells ?? [];
    viewer.show([{ name: `step ${preview.step}`, before: `/api/runs/${id}/previews/${preview.index}?${preview.file}`, cells }]);
    previews.querySelector('.captions').textContent = cells.slice(0, 12).map((cell) => [cell.title, cell.caption].filter(Boolean).join(' ')).join(' · ');
  }

  function togglePlay() {
    if (timer) { clearInterval(timer); timer = null; play.textContent = '▶'; play.setAttribute('aria-label', 'Play'); return; }
    play.textContent = '❚❚';
    play.setAttribute('aria-label', 'Pause');
    const pace = matchMedia('(prefers-reduced-motion: reduce)').matches ? 1200 : 400;
    timer = setInterval(() => showPreview((shown.findIndex((one) => one.step === step) + 1) % shown.length), pace);
  }

  let drawn = 0;
  function drawMessages() {
    if (log.messages.length < drawn) { fill(messages); drawn = 0; }
    for (const message of log.messages.slice(drawn).slice(-400)) {
      messages.prepend(h(`li.${message.kind}`, {}, h('span.number.dim', {}, message.step), ' ', message.text));
    }
    drawn = log.messages.length;
  }

  async function stop() {
    await attempt(async () => { await ask(`runs/${id}/stop`, { method: 'POST', body: {} }); say('Asked to save and stop'); });
  }

  async function kill(work) {
    if (await confirmed('Kill the training? What came after the last save is lost.', 'Kill')) await attempt(() => ask(`jobs/${work.id}/kill`, { method: 'POST', body: {} }));
  }

  async function resume(words) {
    await attempt(async () => {
      const job = await ask(`runs/${id}/resume`, { method: 'POST', body: { words } });
      showCommand(job.command);
      say('Goes on');
    });
  }

  function goOn() {
    const input = h('input', { type: 'number', min: 1, value: String((log.totalSteps ?? log.steps.at(-1) ?? 0) * 2), 'aria-label': 'Steps' });
    const dialog = h('dialog', { 'aria-label': 'Train on' }, h('h2', {}, 'Train on'), h('label', {}, 'To how many steps in all? ', input),
      h('form.row', { method: 'dialog' }, h('button', { value: '' }, 'Cancel'), h('button.primary', { value: 'yes' }, 'Train on')));
    dialog.addEventListener('close', () => { if (dialog.returnValue === 'yes') resume({ steps: [input.value] }); dialog.remove(); });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  }

  function key(event) {
    const at = shown.findIndex((one) => one.step === step);
    switch (event.key) {
    case 'ArrowLeft': showPreview(at - 1); return true;
    case 'ArrowRight': showPreview(at + 1); return true;
    case ' ': if (shown.length) togglePlay(); return true;
    case 'l': setLog(!isLog); return true;
    case 't': setAxis(axis === 'time' ? 'step' : 'time'); return true;
    case 's': smooth.focus(); return true;
    default: return viewer.key(event);
    }
  }

  let version = live.studio.runs;
  const changed = async () => {
    if (!view || isGone) return;
    if (live.studio.runs !== version) {
      version = live.studio.runs;
      const fresh = await ask(`runs/${id}`).catch(() => null);
      if (fresh && !isGone) { const isOther = fresh.files.length !== view.files.length; view = fresh; if (isOther && document.activeElement !== note) drawHead(); }
    }
    if (view && !isGone) drawState();
  };
  live.addEventListener('studio', changed);

  return {
    title: 'Run', element, ready: load(), key,
    keys: [['← →', 'former, next preview'], ['Space', 'play the previews'], ['l', 'logarithmic scale'], ['t', 'by time or step'], ['s', 'smoothing'], ['1', 'previews pixel by pixel'], ['f', 'fit the preview'], ['+ −', 'zoom']],
    leave: () => {
      isGone = true;
      clearInterval(timer);
      live.removeEventListener('studio', changed);
      log?.close();
      viewer.destroy();
      for (const one of charts.values()) one.destroy();
    },
  };
}

