// Compare: two to six runs, their curves over one another, the settings that differ, previews of the same step.

import { ask, attempt, chip, duration, fill, h, keep, link, number, place } from './core.js';
import { Chart, color } from './plot.js';
import { RunLog, smoothed } from './runlog.js';
import { Viewer } from './viewer.js';

export function screen(now) {
  const ids = () => (place().query.get('runs') ?? '').split(',').filter(Boolean).slice(0, 6);
  let entries = [];
  let isAll = now.query.get('all') === '1';
  let isLog = false;
  let weight = 0.6;
  let step = null;
  let isGone = false;
  const charts = new Map();
  const viewers = [];

  const heading = h('h1', {}, 'Compare');
  const chooser = h('select', { 'aria-label': 'Add a run', onchange: () => { if (chooser.value) setRuns([...ids(), chooser.value]); } });
  const chosen = h('div.row.chosen');
  const grid = h('div.charts');
  const settings = h('section.panel');
  const previews = h('section.panel', { hidden: true, 'aria-label': 'Previews' });
  const table = h('section.panel');
  const smooth = h('input', { type: 'range', min: 0, max: 0.99, step: 0.01, value: '0.6', 'aria-label': 'Smoothing', oninput: () => { weight = Number(smooth.value); drawCharts(); } });
  const logScale = h('button.toggle', { 'aria-pressed': 'false', onclick: () => { isLog = !isLog; logScale.setAttribute('aria-pressed', String(isLog)); resetCharts(); } }, 'Log scale');
  const element = h('div', {}, h('div.row.head', {}, heading, chooser), chosen,
    h('div.row.controls', {}, h('label.row', {}, 'Smoothing ', smooth), logScale), grid, table, settings, previews);

  function setRuns(list) {
    keep({ runs: [...new Set(list)].slice(0, 6).join(',') });
    return load();
  }

  async function load() {
    for (const entry of entries) entry.log.close();
    entries = [];
    const page = await ask('runs?limit=200&sort=updated');
    fill(chooser, h('option', { value: '' }, 'Add a run…'), page.rows.filter((row) => !ids().includes(row.id)).map((row) => h('option', { value: row.id }, `${row.name} (${row.job})`)));
    for (const id of ids()) {
      const view = await attempt(() => ask(`runs/${id}`));
      if (!view || isGone) continue;
      const log = new RunLog(id);
      entries.push({ id, view, log });
      log.addEventListener('change', () => drawSoon());
      await attempt(() => log.open());
    }
    if (isGone) return;
    draw();
  }

  let isDue = false;
  function drawSoon() {
    if (isDue || isGone) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; if (!isGone) { drawCharts(); drawTable(); } });
  }

  function draw() {
    fill(chosen, entries.map(({ id, view }, index) => {
      const swatch = h('span.swatch', { 'aria-hidden': 'true' });
      swatch.style.background = color(index);
      return h('span.tag', {}, swatch, h('a', { href: link(`run/${id}`) }, view.row.name), chip(view.row.state),
        h('button.icon', { 'aria-label': `Take ${view.row.name} out`, onclick: () => setRuns(ids().filter((one) => one !== id)) }, '×'));
    }), entries.length < 2 && h('p.empty', {}, entries.length ? 'Choose another run to compare with.' : 'Choose two to six runs: here, or in the list with x and c.'));
    resetCharts();
    drawTable();
    drawSettings();
    drawPreviews();
  }

  function resetCharts() {
    for (const chart of charts.values()) { chart.destroy(); chart.figure.remove(); }
    charts.clear();
    drawCharts();
  }

  function chart(key, title) {
    let found = charts.get(key);
    if (!found) { charts.set(key, found = new Chart({ title, isLog })); grid.append(found.figure); }
    return found;
  }

  function drawCharts() {
    const curves = entries.filter(({ log }) => log.steps.length).map(({ view, log }) => ({ label: view.row.name, x: log.steps, raw: log.columns.get('loss') ?? [],
      smooth: weight ? smoothed(log.columns.get('loss') ?? [], weight) : undefined, color: color(entries.findIndex((one) => one.log === log)) }));
    if (curves.length) chart('loss', 'Loss').set(curves);
    const names = new Set(entries.flatMap(({ log }) => [...log.metrics.keys()]));
    for (const name of names) {
      chart(`metric ${name}`, name.replaceAll('_', ' ')).set(entries.map(({ view, log }, index) => ({ entry: log.metrics.get(name), label: view.row.name, color: color(index) }))
        .filter(({ entry }) => entry).map(({ entry, label, color: tint }) => ({ label, x: entry.steps, raw: entry.values, color: tint, points: entry.values.length < 40 })));
    }
  }

  function drawTable() {
    const names = [...new Set(entries.flatMap(({ log }) => [...log.metrics.keys()]))];
    const rows = [
      ['State', ({ view }) => chip(view.row.state)],
      ['Step', ({ log, view }) => String(log.steps.at(-1) ?? view.row.step)],
      ['Time', ({ log }) => duration(log.seconds.at(-1))],
      ['Best', ({ log }) => log.best ? `${log.best.metric} ${number(log.best.value)} at ${log.best.step}` : '–'],
      ['Loss, last', ({ log }) => number(log.columns.get('loss')?.at(-1))],
      ['Pictures a second', ({ log }) => number(log.columns.get('imagesPerSecond')?.at(-1), 3)],
      ...names.map((name) => [`${name}, last`, ({ log }) => number(log.metrics.get(name)?.values.at(-1))]),
    ];
    fill(table, h('h2', {}, 'Figures'), grown(rows.map(([title, value]) => [title, entries.map(value)])));
  }

  function grown(rows) {
    return h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': 'Table' }, h('table', {}, h('thead', {}, h('tr', {}, h('td'), entries.map(({ view }) => h('th', { scope: 'col' }, view.row.name)))),
      h('tbody', {}, rows.map(([title, cells]) => h('tr', {}, h('th', { scope: 'row' }, title), cells.map((cell) => h('td', {}, cell)))))));
  }

  function drawSettings() {
    const flat = entries.map(({ view }) => { try { return flatten(JSON.parse(view.configuration ?? '{}')); } catch { return new Map(); } });
    const keys = [...new Set(flat.flatMap((one) => [...one.keys()]))].sort();
    const differ = keys.filter((key) => new Set(flat.map((one) => one.get(key) ?? '–')).size > 1);
    const shown = isAll ? keys : differ;
    fill(settings, h('div.row', {}, h('h2', {}, 'Settings'), h('button.toggle', { 'aria-pressed': String(!isAll), onclick: toggleAll }, 'Only what differs')),
      shown.length ? grown(shown.map((key) => [key, flat.map((one) => one.get(key) ?? '–')])) : h('p.dim', {}, entries.length < 2 ? 'Two runs are needed.' : 'Nothing differs.'));
  }

  function toggleAll() { isAll = !isAll; keep({ all: isAll }); drawSettings(); }

  function flatten(value, prefix = '', into = new Map()) {
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) for (const [key, part] of Object.entries(value)) flatten(part, prefix ? `${prefix}.${key}` : key, into);
    else if (value !== null) into.set(prefix.replaceAll('._0', ''), JSON.stringify(value));
    return into;
  }

  function drawPreviews() {
    for (const viewer of viewers.splice(0)) viewer.destroy();
    const sets = entries.map(({ id, view }) => ({ id, view, list: view.previews.map((one, index) => ({ ...one, index })).filter((one) => one.series === view.previews[0].series) })).filter(({ list }) => list.length);
    previews.hidden = sets.length === 0;
    if (!sets.length) return;
    const steps = [...new Set(sets.flatMap(({ list }) => list.map((one) => one.step)))].sort((one, other) => one - other);
    const slider = h('input', { type: 'range', min: 0, max: steps.length - 1, value: String(steps.length - 1), 'aria-label': 'Step of the previews', oninput: () => showStep() });
    const text = h('output.number');
    const columns = sets.map((set) => {
      const viewer = new Viewer({ label: `Preview of ${set.view.row.name}` });
      viewers.push(viewer);
      return { ...set, viewer, caption: h('p.dim') };
    });
    fill(previews, h('div.row', {}, h('h2', {}, 'Previews'), slider, text), h('div.columns', {}, columns.map((column) => h('div', {}, h('h3', {}, column.view.row.name), column.viewer.element, column.caption))));
    function showStep() {
      step = steps[Number(slider.value)];
      text.textContent = `step ${step}`;
      for (const { id, list, viewer, caption } of columns) {
        // The last preview that was drawn by then.
        const found = list.findLast((one) => one.step <= step) ?? list[0];
        viewer.show([{ name: `step ${found.step}`, before: `/api/runs/${id}/previews/${found.index}` }]);
        caption.textContent = `step ${found.step}`;
      }
    }
    showStep();
  }

  return {
    title: 'Compare', element, ready: load(), keys: [['d', 'only what differs'], ['Tab', 'from run to run']],
    key: (event) => { if (event.key === 'd') { toggleAll(); return true; } return false; },
    moved: () => load(),
    leave: () => { isGone = true; for (const { log } of entries) log.close(); for (const chart of charts.values()) chart.destroy(); for (const viewer of viewers) viewer.destroy(); },
  };
}
