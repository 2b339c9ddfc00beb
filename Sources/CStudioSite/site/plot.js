// Curves by uPlot: raw faint, smoothed bold, the best marked; zoom by drag, back by a double click.

import { duration, h, number } from './core.js';

const palette = ['--curve1', '--curve2', '--curve3', '--curve4', '--curve5', '--curve6'];

export function color(index) {
  return getComputedStyle(document.documentElement).getPropertyValue(palette[index % palette.length]).trim();
}

/// A chart of several curves over one axis.
///
/// `curves` are { label, x, raw, smooth, color, points }, each with its own x; they are joined here.
export class Chart {
  #plot = null;
  #shape = '';
  #curves = [];
  #ends = [];

  constructor({ title, isLog = false, axis = 'step' }) {
    this.title = title;
    this.isLog = isLog;
    this.axis = axis;
    this.place = h('div.plot');
    this.caption = h('figcaption', {}, h('h3', {}, title));
    this.figure = h('figure.chart', {}, this.caption, this.place);
    this.figure.chart = this;
    this.#observer.observe(this.place);
    this.redraw = () => this.set(this.#curves, true);
    addEventListener('themechange', this.redraw);
  }

  #observer = new ResizeObserver(() => {
    if (this.#plot && this.place.clientWidth > 40) this.#plot.setSize({ width: this.place.clientWidth, height: this.#height });
  });

  /// The first and the last x that is drawn; none before there are two.
  get span() { const { x } = this.#plot?.scales ?? {}; return x ? [x.min, x.max] : []; }

  get #height() { return this.place.clientHeight > 60 ? this.place.clientHeight : 220; }

  destroy() {
    this.#observer.disconnect();
    removeEventListener('themechange', this.redraw);
    this.#plot?.destroy();
    this.#plot = null;
  }

  /// Shows curves; a zoom stays while only values come to them.
  set(curves, isNew = false) {
    this.#curves = curves;
    if (!this.place.isConnected) return;
    const { data, series } = join(curves, this.isLog);
    const shape = JSON.stringify([this.isLog, this.axis, series.map(({ label, stroke }) => [label, stroke])]);
    this.place.setAttribute('role', 'img');
    this.place.setAttribute('aria-label', `${this.title}: ` + curves.map((curve) => {
      const last = (curve.smooth ?? curve.raw).findLast((value) => value !== null);
      return `${curve.label} ${number(last)}`;
    }).join(', '));
    if (this.#plot && shape === this.#shape && !isNew) {
      const x = this.#plot.scales.x;
      // Where the axis ended is kept as numbers: the array behind it is the log's own and has grown since.
      const isZoomed = this.#ends.length > 0 && (x.min > this.#ends[0] || x.max < this.#ends[1]);
      this.#ends = ends(data[0]);
      this.#plot.setData(data, !isZoomed);
      if (isZoomed) this.#plot.redraw();
      return;
    }
    this.#shape = shape;
    this.#ends = ends(data[0]);
    this.#plot?.destroy();
    this.place.replaceChildren();
    const style = getComputedStyle(document.documentElement);
    const [ink, grid] = ['--dim', '--line'].map((name) => style.getPropertyValue(name).trim());
    const font = '12px system-ui, sans-serif';
    const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    this.#plot = new uPlot({
      width: Math.max(this.place.clientWidth, 200), height: this.#height, series,
      cursor: { drag: { x: true, y: false }, sync: { key: 'atelier' }, points: { size: 7 } },
      legend: { live: true },
      scales: { x: { time: false, range: (_, low, high) => low === null ? [0, 1] : low === high ? [low - 1, high + 1] : [low, high] }, y: { distr: this.isLog ? 3 : 1, ...(this.isLog ? {} : { range: padded }) } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((tick) => this.axis === 'time' ? duration(tick) : tick >= 10000 ? `${number(tick / 1000, 4)}k` : number(tick)) },
        { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => tick === null ? '' : number(tick, 3)) },
      ],
    }, data, this.place);
  }
}

function ends(values) { return values.length > 1 ? [values[0], values.at(-1)] : []; }

function padded(_, low, high) {
  if (low === null || high === null) return [0, 1];
  // A curve that is constant but for rounding has no range: uPlot would look for its ticks without end.
  const size = Math.max(Math.abs(low), Math.abs(high));
  const room = (high - low > size * 1e-6 ? high - low : size || 1) * 0.06;
  return [low - room, high + room];
}

/// One table over all x that any curve has; what has no value there is a gap that is bridged.
function join(curves, isLog) {
  const own = (values) => isLog ? values.map((value) => value > 0 ? value : null) : values;
  const tables = [];
  const series = [{ label: 'at' }];
  for (const curve of curves) {
    const columns = [curve.x];
    const width = Math.max(curve.points ? 6 : 0, 0);
    const hasBoth = curve.smooth && curve.smooth !== curve.raw;
    if (hasBoth || !curve.smooth) {
      columns.push(own(curve.raw));
      series.push({ label: hasBoth ? `${curve.label} (raw)` : curve.label, stroke: hasBoth ? fade(curve.color) : curve.color,
        width: hasBoth ? 1 : 1.75, spanGaps: true, points: { show: Boolean(curve.points), size: width }, value: (_, value) => number(value, 5) });
    }
    if (curve.smooth) {
      columns.push(own(curve.smooth));
      series.push({ label: curve.label, stroke: curve.color, width: 2.25, spanGaps: true, points: { show: Boolean(curve.points), size: width }, value: (_, value) => number(value, 5) });
    }
    tables.push(columns);
    if (curve.best) {
      tables.push([[curve.best.x], own([curve.best.y])]);
      series.push({ label: 'best', stroke: curve.color, width: 0, points: { show: true, size: 11, width: 2.5 }, value: (_, value) => number(value, 5) });
    }
  }
  const isShared = tables.every((table) => table[0] === tables[0]?.[0]);
  const data = !tables.length ? [[]] : isShared ? [tables[0][0], ...tables.flatMap((table) => table.slice(1))] : uPlot.join(tables);
  return { data, series };
}

function fade(text) {
  const parts = /^#(..)(..)(..)$/.exec(text);
  return parts ? `rgba(${parts.slice(1).map((part) => parseInt(part, 16)).join(',')},0.38)` : text;
}
