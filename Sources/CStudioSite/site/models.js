// Models: cards, what each is made of, its layers as a walk, its plan, its filters as pictures.

import { ask, attempt, fill, h, link, number } from './core.js';

export function screen(now) {
  const [kind, id] = now.parts;
  return kind ? one(kind, id) : list();
}

function list() {
  const cards = h('div.cards');
  const element = h('div', {}, h('h1', {}, 'Models'), cards);
  async function load() {
    const [models, page] = await Promise.all([ask('models'), ask('runs?limit=50')]);
    fill(cards,
      models.map((model, index) => card(`models/shipped/${index}`, model.name, [model.task, model.architecture, model.parameters && `${model.parameters.toLocaleString('en')} weights`])),
      page.rows.filter((row) => row.best !== null || row.step > 0).map((row) => card(`models/run/${row.id}`, row.name, ['of a run', row.job, row.best !== null && row.best !== undefined && `${row.metric} ${number(row.best)}`])),
      !models.length && h('p.empty', {}, 'No model was found that ships with the tool; ATELIER_CHECKPOINTS names their folder.'));
  }
  const card = (to, title, lines) => h('a.card', { href: link(to) }, h('h2', {}, title), lines.filter(Boolean).map((line) => h('p', {}, line)));
  return { title: 'Models', element, ready: load() };
}

function one(kind, id) {
  const base = `models/${kind}/${id}`;
  let layers = [];
  let tensors = [];
  let current = 0;
  const heading = h('h1', {}, '…');
  const facts = h('dl.figures');
  const walk = h('ol.layers', { tabindex: '0', 'aria-label': 'Layers' });
  const detail = h('section.panel', { 'aria-live': 'polite' });
  const plan = h('pre');
  const plans = h('details.panel', { ontoggle: () => { if (plans.open && !plan.textContent) attempt(loadPlan); } }, h('summary', {}, 'Plan'), plan);
  const element = h('div', {}, h('p', {}, h('a', { href: link('models') }, '← Models')), heading, facts,
    h('div.columns.two', {}, h('section.panel', {}, h('h2', {}, 'Layers'), walk), detail), plans);

  async function load() {
    // The tool first: of a damaged file it says best what it expected and what came.
    const summary = await ask(`${base}/summary`);
    const found = await ask(`${base}/tensors`);
    const information = summary.information ?? {};
    layers = summary.layers ?? [];
    tensors = found;
    fill(heading, summary.name ?? information.architecture ?? 'Model');
    const entries = [['Architecture', information.architecture], ['Task', information.task], ['Preprocessing', information.preprocessing],
      ['Classes', information.classNames?.join(', ')], ['Weights', layers.reduce((sum, layer) => sum + (layer.parameters ?? 0), 0).toLocaleString('en')],
      ...Object.entries(information.figures ?? {}).map(([name, value]) => [name, number(value)]),
      ...Object.entries(information.training ?? {}).map(([name, value]) => [name, String(value)])];
    fill(facts, entries.filter(([, text]) => text).map(([term, text]) => h('div', {}, h('dt', {}, term), h('dd', {}, text))));
    const most = Math.max(1, ...layers.map((layer) => layer.parameters ?? 0));
    fill(walk, layers.map((layer, index) => {
      const bar = h('span.bar', { 'aria-hidden': 'true' });
      bar.style.width = `${(layer.parameters ?? 0) / most * 100}%`;
      return h('li', { onclick: () => choose(index) }, h('button.quiet.layer', {}, h('span.name', {}, layer.name), h('span.dim', {}, `${layer.type} → ${layer.output}`), bar));
    }));
    choose(Math.max(0, layers.findIndex((layer) => layer.parameters)));
  }

  async function loadPlan() {
    plan.textContent = 'asking the tool…';
    const found = await ask(`${base}/plan`);
    plan.textContent = `${found.model}: arena of ${(found.arena_floats * 4 / 1e6).toFixed(1)} MB\n` + found.steps.join('\n');
  }

  function choose(index) {
    current = Math.min(Math.max(index, 0), layers.length - 1);
    [...walk.children].forEach((item, at) => { item.classList.toggle('current', at === current); item.firstChild.setAttribute('aria-pressed', String(at === current)); });
    walk.children[current]?.scrollIntoView({ block: 'nearest' });
    const layer = layers[current];
    if (!layer) return;
    const own = tensors.map((tensor, at) => ({ ...tensor, at })).filter((tensor) => tensor.name === layer.name || tensor.name.startsWith(layer.name + '.') || tensor.name.startsWith(layer.name + '/'));
    const pictures = h('div');
    fill(detail, h('h2', {}, layer.name), h('dl.figures', {}, [['Kind', layer.type], ['Output', layer.output], ['Weights', (layer.parameters ?? 0).toLocaleString('en')], ['Inputs', layer.inputs.join(', ') || 'the data']]
      .map(([term, text]) => h('div', {}, h('dt', {}, term), h('dd', {}, text)))),
    own.length > 0 && h('table', {}, h('tbody', {}, own.map((tensor) => h('tr', {}, h('th', { scope: 'row' }, tensor.name), h('td', {}, tensor.shape.join(' × ')))))), pictures);
    const kernel = own.find((tensor) => tensor.shape.length === 4 && tensor.kind === 'F32');
    if (kernel) attempt(() => drawFilters(kernel, pictures, current));
  }

  /// The kernels as pictures: rows of the first input channels, columns of the first outputs; gray is zero.
  async function drawFilters(tensor, where, mine) {
    const [height, width, inputs, outputs] = tensor.shape;
    if (height * width < 4 || height * width > 900) return;
    const answer = await ask(`${base}/tensors/${tensor.at}`);
    const values = new Float32Array(await answer.arrayBuffer());
    if (mine !== current) return;
    const [rows, columns] = [Math.min(inputs, 16), Math.min(outputs, 32)];
    const isColor = inputs === 3;
    const scale = Math.max(2, Math.round(24 / height));
    const gap = 4;
    const step = height * scale + gap;
    const canvas = h('canvas.filters', { role: 'img', 'aria-label': `Filters of ${tensor.name}` });
    canvas.width = columns * (width * scale + gap);
    canvas.height = (isColor ? 1 : rows) * step;
    const pen = canvas.getContext('2d');
    let most = 1e-9;
    for (const value of values) most = Math.max(most, Math.abs(value));
    const level = (value) => Math.round(128 + 127 * Math.max(-1, Math.min(1, value / most * 1.5)));
    const at = (y, x, input, output) => level(values[((y * width + x) * inputs + input) * outputs + output]);
    for (let output = 0; output < columns; output += 1) for (let input = 0; input < (isColor ? 1 : rows); input += 1) for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) {
      pen.fillStyle = isColor ? `rgb(${at(y, x, 0, output)},${at(y, x, 1, output)},${at(y, x, 2, output)})` : `rgb(${Array(3).fill(at(y, x, input, output)).join(',')})`;
      pen.fillRect(output * (width * scale + gap) + x * scale, input * step + y * scale, scale, scale);
    }
    fill(where, h('h3', {}, 'Filters'), h('p.dim', {}, isColor ? `${columns} of ${outputs} filters, in colour; gray is zero` : `${rows} of ${inputs} inputs (rows), ${columns} of ${outputs} outputs (columns); gray is zero`), h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': 'Filters' }, canvas));
  }

  return { title: 'Model', element, ready: load(), keys: [['↑ ↓', 'walk the layers']],
    key: (event) => { if (['ArrowUp', 'ArrowDown'].includes(event.key)) { choose(current + (event.key === 'ArrowUp' ? -1 : 1)); return true; } return false; } };
}
