// Darkroom: pictures in, work by a model, results looked at beside what they were.

import { ask, attempt, chip, copy, describe, duration, fill, formOf, h, isOver, keep, live, number, say, showCommand, start } from './core.js';
import { Form, pickPlace } from './form.js';
import { Viewer } from './viewer.js';

const tools = {
  denoise: { title: 'Denoise', path: 'denoise run', tasks: ['denoise'], automatic: 'chosen by the noise' },
  segment: { title: 'Segment', path: 'segment run', tasks: ['segment', 'segment-objects'], words: { write: ['color,overlay,confidence'] } },
  classify: { title: 'Classify', path: 'classify run', tasks: ['classify'], isPictureless: true },
  attack: { title: 'Attack', path: 'attack run', tasks: ['attack'], victim: true },
  swap: { title: 'Swap', path: 'swap run', tasks: ['face-swap', 'swap'], words: { to: ['b'] }, consent: true },
  generate: { title: 'Generate', path: 'generate run', tasks: ['generate'], isWithoutInput: true, words: { 'by-class': [''] } },
};

/// The pictures that are on the table, kept while the page lives.
const table = { pictures: [], source: null };

export function screen(now) {
  let tool = tools[now.query.get('tool')] ? now.query.get('tool') : 'denoise';
  let models = [];
  let model = '';
  let victim = '';
  let job = null;
  let report = null;
  let items = [];
  let isGone = false;
  let form = null;

  const input = h('input.unseen', { type: 'file', multiple: true, accept: 'image/png,image/jpeg,image/tiff,image/webp,.png,.jpg,.jpeg,.tif,.tiff,.webp', tabindex: '-1', 'aria-label': 'Pictures', onchange: () => { upload([...input.files]); input.value = ''; } });
  const drop = h('div.drop', {}, h('button.primary', { onclick: () => input.click() }, 'Choose pictures'), h('button', { onclick: fromHere }, 'From a folder here'), h('span.dim', {}, 'or drop pictures or folders anywhere on this page'), input);
  const tabs = h('div.segmented', { role: 'group', 'aria-label': 'Work' });
  const cards = h('div.cards.small', { role: 'group', 'aria-label': 'Model' });
  const victims = h('label.row');
  const options = h('details.fold', {}, h('summary', {}, 'Options'), h('div'));
  const consent = h('p.notice', { hidden: true }, 'Swap faces only of people who agreed to it, and say of a swapped picture that it is one. The pictures and models that come with Atelier show drawn people that never lived.');
  const run = h('button.primary', { onclick: work, disabled: true }, 'Denoise');
  const state = h('div.row', { role: 'status' });
  const error = h('p.error', { role: 'alert', hidden: true });
  const viewer = new Viewer({ label: 'Picture', onmove: drawCaption });
  const strip = h('ul.strip', { 'aria-label': 'Pictures' });
  const caption = h('div.captions');
  const saving = h('div.row');
  const stage = h('section.stage', { 'aria-label': 'Viewer', hidden: true }, viewer.element, h('div.row', {}, caption, h('span.grow'), saving), strip);
  const element = h('div.darkroom', {}, h('h1', {}, 'Darkroom'), drop, tabs, cards, victims, consent, options,
    h('div.row.submit', {}, run, state), error, stage);

  element.addEventListener('dragover', (event) => { event.preventDefault(); element.classList.add('over'); });
  element.addEventListener('dragleave', () => element.classList.remove('over'));
  element.addEventListener('drop', async (event) => {
    event.preventDefault();
    element.classList.remove('over');
    upload(await filesOf(event.dataTransfer));
  });

  async function load() {
    [models] = await Promise.all([ask('models').catch(() => []), describe()]);
    const page = await ask('runs?limit=100').catch(() => ({ rows: [] }));
    const own = page.rows.filter((row) => row.step > 0).map((row) => ({ name: row.name, file: `${row.path}/best.safetensors`, task: row.job.split(' ')[0], architecture: row.network, isOwn: true, best: row.best, metric: row.metric }));
    models = [...models, ...own];
    await choose(tool);
    if (now.query.has('job')) await attempt(async () => { job = await ask(`jobs/${now.query.get('job')}`); showCommand(job.command); await watch(); });
    else showTable();
  }

  async function choose(name) {
    if (tool !== name) model = '';
    tool = name;
    keep({ tool: name === 'denoise' ? '' : name });
    const entry = tools[name];
    fill(tabs, Object.entries(tools).map(([key, { title }]) => h('button.toggle', { 'aria-pressed': String(key === name), onclick: () => choose(key) }, title)));
    const fitting = models.filter((one) => entry.tasks.includes(one.task));
    if (!entry.automatic && !fitting.some((one) => word(one) === model)) model = fitting[0] ? word(fitting[0]) : '';
    drawCards(entry, fitting);
    const classifiers = models.filter((one) => one.task === 'classify');
    if (entry.victim) {
      const box = h('select', { onchange: () => { victim = box.value; } }, classifiers.map((one) => h('option', { value: one.file }, one.name)));
      victim = classifiers[0]?.file ?? '';
      fill(victims, 'Classifier to fool ', box);
    } else fill(victims);
    consent.hidden = !entry.consent;
    drop.hidden = Boolean(entry.isWithoutInput);
    run.textContent = entry.title;
    const described = await formOf(entry.path);
    if (!described) { error.hidden = false; error.textContent = `This tool has no work '${entry.path}'.`; run.disabled = true; return; }
    run.disabled = false;
    error.hidden = true;
    form = new Form(described, { path: entry.path, hidden: ['in', 'output', 'model', 'victim', 'compare', 'clean', 'explain', 'grid'], words: entry.words ?? {} });
    fill(options.lastChild, form.element);
    options.open = false;
  }

  // Not every work knows the names of the models that ship; all know files.
  const word = (one) => one.file;

  function drawCards(entry, fitting) {
    const card = (key, title, lines) => h('button.card', { 'aria-pressed': String(key === model), onclick: () => { model = key; drawCards(entry, fitting); } }, h('strong', {}, title), lines.filter(Boolean).map((line) => h('span.dim', {}, line)));
    fill(cards, entry.automatic && card('', 'Automatic', [entry.automatic]),
      fitting.map((one) => card(word(one), one.name, [one.architecture, one.isOwn ? `own run${one.best ? `, ${one.metric} ${number(one.best)}` : ''}` : `${((one.parameters ?? 0) / 1e6).toFixed(2)} M weights`])),
      !fitting.length && !entry.automatic && h('p.empty', {}, 'No model for this yet: train one under New.'));
  }

  // Pictures.

  async function upload(files) {
    const taken = new Set(table.pictures.map((one) => one.name));
    table.source = null;
    job = null;
    keep({ job: '' });
    let done = 0;
    for (const file of files.slice(0, 500)) {
      fill(state, `taking ${++done} of ${files.length}: ${file.name}`);
      const stem = file.name.replace(/\.[^.]*$/, '');
      let name = file.name;
      for (let count = 2; taken.has(name.replace(/\.[^.]*$/, '')); count += 1) name = `${stem}-${count}.${file.name.split('.').at(-1)}`;
      const sent = await attempt(() => ask('uploads?' + new URLSearchParams({ name }), { method: 'POST', body: file, raw: true }));
      if (!sent) continue;
      taken.add(sent.name.replace(/\.[^.]*$/, ''));
      table.pictures.push(sent);
    }
    fill(state, `${table.pictures.length} picture${table.pictures.length === 1 ? '' : 's'} on the table`);
    showTable();
  }

  async function filesOf(transfer) {
    const files = [];
    async function walk(entry) {
      if (files.length >= 500) return;
      if (entry.isFile) files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      else if (entry.isDirectory) {
        const reader = entry.createReader();
        for (;;) {
          const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
          if (!part.length) break;
          for (const one of part) await walk(one);
        }
      }
    }
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.length) return [...transfer.files];
    for (const entry of entries) await walk(entry);
    return files.filter((file) => /\.(png|jpe?g|tiff?|webp)$/i.test(file.name));
  }

  async function fromHere() {
    const place = await pickPlace({ endings: ['png', 'jpg', 'jpeg', 'tif', 'tiff', 'webp'] });
    if (!place) return;
    table.source = place;
    table.pictures = [];
    job = null;
    fill(state, `from ${place}`);
    showTable();
  }

  function showTable() {
    if (job) return;
    items = table.pictures.map((one) => ({ name: one.name, before: `/api/uploads/${one.id}` }));
    if (table.source) fill(state, `from ${table.source}`);
    showItems(0);
  }

  function showItems(index) {
    stage.hidden = !items.length;
    if (!items.length) return;
    fill(strip, items.length > 1 && items.slice(0, 200).map((item, at) => h('li', {}, h('button.thumb', { 'aria-label': item.name, title: item.name, onclick: () => viewer.turn(at) }, h('img', { src: item.after ?? item.before, alt: '', loading: 'lazy' })))));
    viewer.show(items, index);
  }

  // Work.

  async function work() {
    if (run.disabled) return;
    const entry = tools[tool];
    error.hidden = true;
    const sources = table.source ? [table.source] : table.pictures.map((one) => `upload:${one.id}`);
    if (!entry.isWithoutInput && !sources.length) { error.hidden = false; error.textContent = 'Choose pictures first.'; return; }
    const words = { ...form.words };
    if (!entry.isWithoutInput) words.in = sources;
    if (model) words.model = [model];
    if (entry.victim) words.victim = [victim];
    if (!entry.isPictureless) words.output = entry.isWithoutInput ? ['@results/pictures.png'] : !table.source && table.pictures.length === 1 && ['denoise', 'swap'].includes(tool) ? [`@results/${table.pictures[0].name.replace(/\.[^.]*$/, '')}.png`] : ['@results'];
    run.disabled = true;
    try {
      job = await start(entry.path, words);
      keep({ job: job.id });
      await watch();
    } catch (problem) { fail(problem.message); }
    run.disabled = false;
  }

  function fail(text) {
    error.hidden = false;
    error.textContent = text.replace(/ \(see atelier.*/, '');
    fill(state);
  }

  async function watch() {
    while (!isGone && job) {
      const known = live.studio.jobs.find((one) => one.id === job.id);
      const fresh = known ?? await ask(`jobs/${job.id}`);
      job = { ...job, progress: null, waitsFor: null, ...fresh };
      const { progress } = job;
      fill(state, chip(job.state), progress ? `${progress.done} of ${progress.total ?? '?'} ${progress.unit}${progress.remainingSeconds ? `, ${duration(progress.remainingSeconds)} left` : ''}` : '', job.waitsFor ?? '',
        !isOver(job) && h('button', { onclick: () => attempt(() => ask(`jobs/${job.id}/stop`, { method: 'POST', body: {} })) }, 'Stop'));
      if (isOver(job)) break;
      await new Promise((resolve) => { const timer = setTimeout(resolve, 700); live.addEventListener('studio', () => { clearTimeout(timer); resolve(); }, { once: true }); });
    }
    if (isGone || !job) return;
    await showResults();
  }

  async function showResults() {
    const results = await ask(`jobs/${job.id}/results`);
    report = null;
    try { report = JSON.parse(results.report); } catch { /* no report: an error says why */ }
    if (job.state !== 'finished') {
      const line = job.lastLines.findLast((one) => one.startsWith('atelier: ')) ?? job.lastLines.at(-1) ?? `it ended with exit code ${job.code}`;
      fail(line.replace('atelier: ', ''));
    }
    const address = (path) => {
      const index = results.files.findIndex((file) => file.path === path || file.path.endsWith('/' + path));
      return index < 0 || !results.files[index].isPicture ? null : `/api/jobs/${job.id}/results/${index}`;
    };
    const named = (text, suffix) => results.files.findIndex((file) => file.name === text.split('/').at(-1).replace(/\.[^.]*$/, suffix));
    const entries = Array.isArray(report) ? report : report?.files ?? [];
    if (job.inputs.length) {
      const byName = new Map(entries.filter((entry) => typeof entry === 'object').map((entry) => [String(entry.file).split('/').at(-1), entry]));
      items = job.inputs.map((name, index) => {
        const entry = byName.get(name) ?? entries[index];
        const item = { name, before: `/api/jobs/${job.id}/inputs/${index}`, entry };
        if (!entry) return item;
        item.after = entry.output ? address(entry.output) : null;
        if (entry.outputs) {
          const layer = (suffix) => { const at = named(name, suffix); return at < 0 ? null : `/api/jobs/${job.id}/results/${at}`; };
          item.after = layer('-overlay.png');
          item.layers = [['mask', '-color.png'], ['confidence', '-confidence.png']].map(([title, suffix]) => ({ name: title, url: layer(suffix) })).filter((one) => one.url);
        }
        return item;
      });
    } else items = results.files.map((file, index) => ({ file, index })).filter(({ file }) => file.isPicture).map(({ file, index }) => ({ name: file.name, before: `/api/jobs/${job.id}/results/${index}` }));
    if (tools[tool].tasks.includes('segment')) viewer.mode = 'before';
    showItems(0);
    const count = results.files.length;
    fill(saving, count > 0 && [h('button', { onclick: saveOne(results) }, 'Save this'), h('button', { onclick: saveAll }, `Save all ${count}`), h('button.quiet', { onclick: () => copy(job.command) }, 'Copy command')]);
    if (job.state === 'finished') say(count ? `${count} result${count === 1 ? '' : 's'}` : 'done');
  }

  const saveOne = () => () => {
    const item = items[viewer.index];
    const url = item.after ?? item.layers?.[0]?.url ?? item.before;
    h('a', { href: url + '?save=1', download: item.name }).click();
  };

  async function saveAll() {
    const place = await pickPlace({ wantsFiles: false, isNew: true });
    if (place) await attempt(async () => { const { files } = await ask(`jobs/${job.id}/save`, { method: 'POST', body: { folder: place } }); say(`${files} files saved in ${place}`); });
  }

  function drawCaption(index) {
    const item = items[index];
    if (!item) return;
    [...strip.children].forEach((one, at) => one.firstChild.setAttribute('aria-current', String(at === index)));
    const { entry } = item;
    const parts = [h('strong', {}, item.name), ` ${index + 1} of ${items.length}`];
    if (entry?.sigma !== undefined) parts.push(` · noise σ ${number(entry.sigma, 3)} of 255${entry.estimated ? ' (estimated)' : ''}`);
    if (entry?.noise?.kind && entry.noise.kind !== 'none') parts.push(` · ${entry.noise.kind} noise${entry.noise.correlation > 1 ? `, grains of ${entry.noise.correlation} pixels` : ''}`);
    if (entry?.noise?.left_alone) parts.push(' · left as it is');
    if (entry?.second_opinion) parts.push(` · second opinion σ ${number(entry.second_opinion.sigma, 3)}, ${number(100 * entry.second_opinion.share, 2)} %`);
    if (entry?.model) parts.push(` · ${String(entry.model).split('/').at(-1).replace('.safetensors', '')}`);
    if (entry?.seconds) parts.push(` · ${number(entry.seconds, 2)} s`);
    if (entry?.psnr !== undefined) parts.push(` · ${number(entry.psnr, 4)} dB`);
    if (entry?.success !== undefined) parts.push(entry.success ? ' · fooled' : ' · not fooled');
    if (entry?.faces !== undefined) parts.push(` · ${entry.faces} face${entry.faces === 1 ? '' : 's'}`);
    fill(caption, h('p', {}, parts));
    if (entry?.before?.name && entry?.after?.name) caption.append(bars('before', [entry.before]), bars('after', [entry.after]));
    else if (entry?.classes?.[0]?.probability !== undefined) caption.append(bars('', entry.classes));
    else if (entry?.classes) caption.append(h('p', {}, entry.classes.map((one) => `${one.name} ${number(100 * one.pixels / (entry.width * entry.height), 3)} %`).join(' · ')));
    if (entry?.faces === 0) caption.append(h('p.error', {}, report?.advice ? `No face was found; ${report.advice} (under Options).` : 'No face was found in this one.'));
  }

  function bars(title, classes) {
    return h('ul.bars', { 'aria-label': `Classes ${title}` }, classes.slice(0, 5).map((one) => {
      const bar = h('span.bar', { 'aria-hidden': 'true' });
      bar.style.width = `${one.probability * 100}%`;
      return h('li', {}, h('span', {}, `${title} ${one.name}`), h('span.track', {}, bar), h('span.number', {}, `${number(one.probability * 100, 3)} %`));
    }));
  }

  return {
    title: 'Darkroom', element, ready: load(), submit: work,
    keys: [['Ctrl-Enter', 'work'], ['← →', 'move the slider'], ['Shift and arrows', 'move the picture'], ['+ − 1 f', 'larger, smaller, pixel by pixel, fit'], ['Space', 'before, split, after'], ['n p', 'next, former picture']],
    key: (event) => viewer.key(event),
    leave: () => { isGone = true; viewer.destroy(); },
  };
}
