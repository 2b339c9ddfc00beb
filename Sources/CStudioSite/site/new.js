// New: a training or any other job from its generated form, with the live command and the tool's own errors.

import { ask, attempt, describe, fill, go, h, later, link, showCommand, start } from './core.js';
import { Form } from './form.js';

/// Settings to begin with; a person's own are kept in the browser.
const presets = {
  'denoise train': {
    'A first look (3 minutes)': { scenes: ['6'], network: ['autoencoder'], widths: ['16,32'], patch: ['48'], batch: ['8'], steps: ['4000'], 'validate-every': ['100'], 'preview-every': ['100'] },
    'Drawn scenes, U-Net (30 minutes)': { scenes: ['64'], network: ['unet'], minutes: ['30'] },
    'Colour photographs, long': { network: ['residual-unet'], color: [''], minutes: ['600'] },
  },
  'swap train': { 'Fictional people': { characters: ['200'], network: ['slim'], minutes: ['20'] } },
  'classify train': { 'Course network, one pass': { network: ['course'], epochs: ['1'] } },
};

export function screen(now) {
  let path = now.parts.join(' ');
  let shops = [];
  let form = null;
  let given = {};
  try { given = JSON.parse(now.query.get('words') ?? '{}'); } catch { /* an address that somebody wrote */ }
  let turn = 0;

  const shop = h('select', { 'aria-label': 'Workshop', onchange: () => choose(shop.value, null) });
  const verb = h('select', { 'aria-label': 'Work', onchange: () => choose(shop.value, verb.value) });
  const preset = h('select', { 'aria-label': 'Preset', onchange: usePreset });
  const summary = h('p.dim');
  const guide = h('details.fold', {}, h('summary', {}, 'About this work'), h('pre.guide', { tabindex: '0' }));
  const body = h('div');
  const run = h('button.primary', { onclick: submit }, 'Start');
  const message = h('p.error', { role: 'alert', hidden: true });
  const resume = h('button', { hidden: true, onclick: resumeRun }, 'Resume the run that is there');
  const state = h('span.dim', { role: 'status' });
  const element = h('div.new', {}, h('h1', {}, 'New'),
    h('div.row', {}, h('label.row', {}, 'Workshop ', shop), h('label.row', {}, 'Work ', verb), h('label.row', {}, 'Preset ', preset), h('button', { onclick: savePreset }, 'Keep as preset')),
    summary, guide, body, message,
    h('div.row.submit', {}, run, resume, h('span.dim', {}, 'Ctrl-Enter'), state));

  async function load() {
    const description = await describe();
    shops = description.workshops.filter((one) => !['describe', 'bench', 'model', 'samples'].includes(one.name));
    fill(shop, shops.map((one) => h('option', { value: one.name }, one.name)));
    const [name, work] = path.split(' ');
    choose(shops.some((one) => one.name === name) ? name : 'denoise', work ?? 'train');
  }

  function choose(name, work) {
    const found = shops.find((one) => one.name === name);
    shop.value = name;
    fill(verb, found.jobs.map((job) => h('option', { value: job.name }, job.name)));
    const job = found.jobs.find((one) => one.name === work) ?? found.jobs.find((one) => one.trains) ?? found.jobs[0];
    verb.value = job.name;
    path = job.name === name ? name : `${name} ${job.name}`;
    history.replaceState(null, '', link('new/' + path.split(' ').join('/')));
    summary.textContent = job.summary;
    guide.querySelector('pre').textContent = job.guide;
    form = new Form(job, { path, onchange: changed, words: { ...suggestions(job), ...given } });
    given = {};
    fill(body, form.element);
    const all = { ...presets[path], ...own() };
    fill(preset, h('option', { value: '' }, 'none'), Object.keys(all).map((one) => h('option', { value: one }, one)));
    run.textContent = job.trains ? 'Start training' : 'Start';
    changed();
  }

  function suggestions(job) {
    const words = {};
    if (job.trains) words.run = [`runs/${path.split(' ')[0]}-${new Date().toISOString().slice(5, 16).replace(/[T:]/g, '-')}`];
    else if (job.fields.some((field) => field.name === 'output' && field.required)) words.output = [`out/${path.replace(' ', '-')}`];
    return words;
  }

  function own() {
    try { return JSON.parse(localStorage.getItem(`presets ${path}`) ?? '{}'); } catch { return {}; }
  }

  function savePreset() {
    const words = form.words;
    delete words.run;
    delete words.export;
    const name = `own, ${new Date().toLocaleString()}`;
    try { localStorage.setItem(`presets ${path}`, JSON.stringify({ ...own(), [name]: words })); } catch { return; }
    preset.append(h('option', { value: name }, name));
    preset.value = name;
  }

  function usePreset() {
    const words = { ...presets[path], ...own() }[preset.value];
    if (words) { form.set({ ...form.words.run && { run: form.words.run }, ...words }); changed(); }
  }

  const check = later(async () => {
    const mine = ++turn;
    state.textContent = 'checking…';
    const answer = await attempt(() => ask('check', { method: 'POST', body: { path, words: form.words } }));
    if (mine !== turn || !answer) return;
    state.textContent = '';
    if (answer.command) showCommand(answer.command);

    message.hidden = true;
    resume.hidden = !answer.canResume;
    if (answer.isRight) { state.textContent = 'The tool would do this.'; form.mark(null); return; }
    // What is missing is no mistake while somebody still writes.
    const isMissing = /^Missing expected|is needed|needs? /.test(answer.error) && !hasTried;
    if (isMissing) { state.textContent = answer.error.replace(/ \(see .*/, ''); return; }
    tell(answer);
  }, 250);

  let hasTried = false;
  function tell(answer) {
    const text = answer.error.replace(/ \(see atelier.*/, '');
    if (!form.mark(answer.field, text)) { message.hidden = false; message.textContent = text; }
  }

  function changed() {
    showCommand(form.command);
    check();
  }

  async function submit() {
    if (!form || run.disabled) return;
    hasTried = true;
    run.disabled = true;
    await attempt(async () => {
      const words = form.words;
      const answer = await ask('check', { method: 'POST', body: { path, words } });
      resume.hidden = !answer.canResume;
      if (!answer.isRight) { message.hidden = true; tell(answer); if (answer.field) form.focus(answer.field); return; }
      const job = await start(path, words);
      if (job.runID) go(`run/${job.runID}`, { job: job.id }); else go('queue', { job: job.id });
    });
    run.disabled = false;
  }

  async function resumeRun() {
    await attempt(async () => {
      const job = await start(path, { run: form.words.run, resume: [''] });
      go(`run/${job.runID}`, { job: job.id });
    });
  }

  return { title: 'New', element, ready: load(), submit, keys: [['Ctrl-Enter', 'start']], leave: () => { turn += 1; } };
}
