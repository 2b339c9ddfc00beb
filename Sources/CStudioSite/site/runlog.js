// The log of one run in columns: read whole once, then followed line by line.

import { ask, live } from './core.js';

/// A run's events, as curves and messages.
export class RunLog extends EventTarget {
  steps = [];
  seconds = [];
  /// Columns of the steps, such as `loss`.
  columns = new Map();
  /// Figures of validations by name: { steps, seconds, values }.
  metrics = new Map();
  best = null;
  previews = [];
  messages = [];
  totalSteps = null;
  isOver = false;
  reason = null;
  offset = 0;
  #stop = null;
  #isClosed = false;

  constructor(run) {
    super();
    this.run = run;
  }

  /// Reads what is there and follows what comes.
  async open() {
    await this.#read();
    if (this.#isClosed) return this;
    this.#stop = live.follow(this.run, this.offset, {
      take: (lines, offset) => { lines.forEach((line) => this.#take(line)); this.offset = offset; this.#tell(); },
      reset: () => { this.#clear(); this.dispatchEvent(new Event('reset')); },
    });
    return this;
  }

  close() {
    this.#isClosed = true;
    this.#stop?.();
  }

  async #read() {
    while (true) {
      const answer = await ask(`runs/${this.run}/log?from=${this.offset}`);
      const text = await answer.text();
      const next = Number(answer.headers.get('Atelier-Offset'));
      if (text) {
        for (const line of text.split('\n')) {
          if (!line) continue;
          try { this.#take(JSON.parse(line)); } catch { this.messages.push({ step: 0, kind: 'warning', text: 'a line of the log is damaged' }); }
        }
      }
      if (!text || next <= this.offset) break;
      this.offset = next;
    }
    this.#tell();
  }

  #clear() {
    Object.assign(this, { steps: [], seconds: [], columns: new Map(), metrics: new Map(), best: null, previews: [], messages: [], totalSteps: null, isOver: false, reason: null, offset: 0 });
  }

  #tell() { this.dispatchEvent(new Event('change')); }

  #put(name, value) {
    let column = this.columns.get(name);
    if (!column) this.columns.set(name, column = new Array(this.steps.length - 1).fill(null));
    while (column.length < this.steps.length - 1) column.push(null);
    column.push(Number.isFinite(value) ? value : null);
  }

  #take(event) {
    const { step = 0 } = event;
    switch (event.event) {
    case 'started': case 'resumed':
      this.totalSteps = event.totalSteps ?? null;
      this.isOver = false;
      this.reason = null;
      this.messages.push({ step, kind: 'note', text: event.event === 'started' ? 'started' : `resumed at step ${step}` });
      break;
    case 'step':
      this.steps.push(step);
      this.seconds.push(event.seconds ?? 0);
      for (const name of ['loss', 'learningRate', 'gradientNorm', 'imagesPerSecond']) if (name in event) this.#put(name, event[name]);
      for (const [name, value] of Object.entries(event.values ?? {})) if (name !== 'loss') this.#put(`value ${name}`, value);
      this.remaining = event.remainingSeconds ?? null;
      break;
    case 'validated':
      for (const [name, value] of Object.entries(event.metrics ?? {})) {
        let metric = this.metrics.get(name);
        if (!metric) this.metrics.set(name, metric = { steps: [], seconds: [], values: [] });
        metric.steps.push(step);
        metric.seconds.push(this.seconds.at(-1) ?? 0);
        metric.values.push(Number.isFinite(value) ? value : null);
      }
      break;
    case 'improved':
      this.best = { step, metric: event.metric, value: event.value };
      this.messages.push({ step, kind: 'best', text: `best ${event.metric}: ${event.value}` });
      break;
    case 'warning': this.messages.push({ step, kind: 'warning', text: event.text }); break;
    case 'preview': this.previews.push({ step, file: (event.file ?? '').split('/').at(-1), cells: event.cells ?? [] }); break;
    case 'saved': this.messages.push({ step, kind: 'saved', text: `saved ${(event.file ?? '').split('/').at(-1)}` }); break;
    case 'stopped':
      this.isOver = true;
      this.reason = event.reason;
      this.messages.push({ step, kind: 'note', text: `stopped: ${event.reason}` });
      break;
    default: break;
    }
  }
}

/// A smoothed curve: an exponential average that is honest at its start (its weights always sum to one).
export function smoothed(values, weight) {
  if (!weight) return values;
  const result = new Array(values.length);
  let [sum, norm] = [0, 0];
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (value === null || value === undefined) { result[index] = null; continue; }
    sum = sum * weight + value * (1 - weight);
    norm = norm * weight + (1 - weight);
    result[index] = sum / norm;
  }
  return result;
}
