// The viewer: pictures at one zoom and offset, before and after by a slider, side by side, as a difference or blended.

import { fill, h, number } from './core.js';

const cache = new Map();

/// Loads a picture once; the oldest of many are forgotten.
function load(url) {
  let found = cache.get(url);
  if (!found) {
    found = new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = () => reject(new Error('the browser cannot show this picture'));
      image.src = url;
    });
    cache.set(url, found);
    found.catch(() => cache.delete(url));
    if (cache.size > 60) cache.delete(cache.keys().next().value);
  }
  return found;
}

/// Shows items { name, before, after, layers: [{ name, url }], cells }.
///
/// Zoom and offset stay from picture to picture, so that the same spot is seen in each.
export class Viewer {
  items = [];
  index = 0;
  mode = 'split';
  split = 0.5;
  gain = 4;
  opacity = 0.5;
  zoom = null; // null fits
  center = { x: 0.5, y: 0.5 };
  #layers = new Map();
  #images = {};
  #pixels = new Map();
  #difference = null;
  #isDue = false;
  #token = 0;

  constructor({ label = 'Picture', onmove } = {}) {
    this.onmove = onmove;
    this.canvas = h('canvas', { tabindex: '0', role: 'img', 'aria-label': label });
    this.label = label;
    this.readout = h('output.readout', { 'aria-live': 'off' });
    this.percent = h('output.number');
    this.modes = h('div.segmented', { role: 'group', 'aria-label': 'How it is shown' });
    this.gainBox = h('input', { type: 'range', min: 1, max: 32, step: 1, value: '4', 'aria-label': 'Gain of the difference', oninput: () => { this.gain = Number(this.gainBox.value); this.#difference = null; this.draw(); } });
    this.opacityBox = h('input', { type: 'range', min: 0, max: 1, step: 0.01, value: '0.5', 'aria-label': 'Opacity', oninput: () => { this.opacity = Number(this.opacityBox.value); this.draw(); } });
    this.splitBox = h('input', { type: 'range', min: 0, max: 1, step: 0.005, value: '0.5', 'aria-label': 'Before and after', oninput: () => { this.split = Number(this.splitBox.value); this.draw(); } });
    this.toggles = h('div.row');
    this.message = h('p.error', { hidden: true, role: 'alert' });
    const button = (text, label, action) => h('button.icon', { 'aria-label': label, title: label, onclick: action }, text);
    this.element = h('div.viewer', {},
      h('div.row.tools', { role: 'toolbar', 'aria-label': 'Viewer' }, this.modes, this.splitBox, this.gainBox, this.opacityBox, this.toggles, h('span.grow'),
        button('−', 'Smaller', () => this.scale(1 / 1.5)), button('+', 'Larger', () => this.scale(1.5)),
        h('button', { title: 'Pixel by pixel (1)', onclick: () => this.setZoom(1) }, '1:1'), h('button', { title: 'Fit (f)', onclick: () => this.setZoom(null) }, 'Fit'), this.percent),
      this.canvas, h('div.row.under', {}, this.readout), this.message);
    this.#listen();
    this.#observer = new ResizeObserver(() => this.draw());
    this.#observer.observe(this.canvas);
  }

  #observer;

  destroy() { this.#observer.disconnect(); }

  get item() { return this.items[this.index]; }

  /// Shows a list, from one of it on.
  show(items, index = 0) {
    this.items = items;
    return this.turn(index);
  }

  /// Goes to a picture of the list.
  async turn(index) {
    if (!this.items.length) return;
    this.index = (index + this.items.length) % this.items.length;
    const token = ++this.#token;
    const { item } = this;
    const names = ['before', 'after'].filter((name) => item[name]);
    const layers = item.layers ?? [];
    try {
      const loaded = await Promise.all([...names.map((name) => load(item[name])), ...layers.map((layer) => load(layer.url))]);
      if (token !== this.#token) return;
      this.#images = Object.fromEntries(names.map((name, at) => [name, loaded[at]]));
      this.#layers = new Map(layers.map((layer, at) => [layer.name, { image: loaded[names.length + at], isShown: this.#layers.get(layer.name)?.isShown ?? at === 0 }]));
      this.message.hidden = true;
    } catch (error) {
      if (token !== this.#token) return;
      this.#images = {};
      this.message.hidden = false;
      this.message.textContent = `${item.name}: ${error.message}`;
    }
    this.#pixels.clear();
    this.#difference = null;
    this.canvas.setAttribute('aria-label', `${this.label}: ${item.name}`);
    this.#drawTools();
    this.draw();
    this.onmove?.(this.index);
  }

  get hasPair() { return Boolean(this.#images.before && this.#images.after); }

  #drawTools() {
    const names = this.hasPair ? [['before', 'Before'], ['split', 'Split'], ['after', 'After'], ['side', 'Side by side'], ['difference', 'Difference'], ['blend', 'Blend']] : [];
    fill(this.modes, names.map(([mode, text]) => h('button.toggle', { 'aria-pressed': String(mode === this.mode), onclick: () => this.setMode(mode) }, text)));
    this.modes.hidden = !names.length;
    this.splitBox.hidden = !(this.hasPair && this.mode === 'split');
    this.gainBox.hidden = !(this.hasPair && this.mode === 'difference');
    this.opacityBox.hidden = !((this.hasPair && this.mode === 'blend') || this.#layers.size);
    fill(this.toggles, [...this.#layers].map(([name, layer]) => h('button.toggle', { 'aria-pressed': String(layer.isShown),
      onclick: (event) => { layer.isShown = !layer.isShown; event.currentTarget.setAttribute('aria-pressed', String(layer.isShown)); this.draw(); } }, name)));
  }

  setMode(mode) {
    this.mode = mode;
    this.#drawTools();
    this.draw();
  }

  /// A zoom in screen pixels a picture's pixel; null fits.
  setZoom(zoom, at) {
    const former = this.#view();
    this.zoom = zoom === null ? null : Math.min(Math.max(zoom, 0.02), 64);
    if (zoom === null) this.center = { x: 0.5, y: 0.5 };
    else if (at && former) {
      // What is under the cursor stays under it.
      const next = this.#view();
      const point = former.toPicture(at.x, at.y);
      const moved = next.toPicture(at.x, at.y);
      this.#moveBy((point.x - moved.x) / next.width, (point.y - moved.y) / next.height);
    }
    this.draw();
  }

  scale(factor, at) { this.setZoom((this.#view()?.scale ?? 1) * factor, at); }

  #moveBy(x, y) {
    this.center = { x: Math.min(Math.max(this.center.x + x, 0), 1), y: Math.min(Math.max(this.center.y + y, 0), 1) };
  }

  #size() {
    const image = this.#images.before ?? this.#images.after;
    return image ? { width: image.naturalWidth, height: image.naturalHeight } : null;
  }

  /// Where the picture lies on the canvas, in its CSS pixels.
  #view(part = 0) {
    const size = this.#size();
    if (!size) return null;
    const isSide = this.mode === 'side' && this.hasPair;
    const box = { width: this.canvas.clientWidth / (isSide ? 2 : 1), height: this.canvas.clientHeight };
    const fit = Math.min(box.width / size.width, box.height / size.height);
    const scale = this.zoom === null ? Math.min(fit, 8) : this.zoom / (devicePixelRatio || 1);
    const left = part * box.width + box.width / 2 - this.center.x * size.width * scale;
    const top = box.height / 2 - this.center.y * size.height * scale;
    return { ...size, scale, left, top, box, part, toPicture: (x, y) => ({ x: (x - left) / scale, y: (y - top) / scale }) };
  }

  draw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => { this.#isDue = false; this.#paint(); });
  }

  #paint() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const pen = this.canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const view = this.#view();
    if (!view) return;
    this.percent.textContent = `${Math.round(view.scale * ratio * 100)} %`;
    const { before, after } = this.#images;
    const put = (image, where, clip) => {
      if (!image) return;
      pen.save();
      pen.beginPath();
      pen.rect(...(clip ?? [where.part * where.box.width, 0, where.box.width, where.box.height]));
      pen.clip();
      pen.imageSmoothingEnabled = where.scale * ratio < 1;
      // A result of another size, such as an enlarged one, is laid over the same place.
      pen.drawImage(image, where.left, where.top, where.width * where.scale, where.height * where.scale);
      pen.restore();
    };
    if (!this.hasPair) put(before ?? after, view);
    else switch (this.mode) {
    case 'before': put(before, view); break;
    case 'after': put(after, view); break;
    case 'side': put(before, view); put(after, this.#view(1)); this.#bar(pen, width / 2, height); break;
    case 'blend': put(before, view); pen.globalAlpha = this.opacity; put(after, view); pen.globalAlpha = 1; break;
    case 'difference': put(this.#differing(), view); break;
    default: {
      const x = Math.round(view.left + this.split * view.width * view.scale);
      put(before, view, [0, 0, x, height]);
      put(after, view, [x, 0, width - x, height]);
      this.#bar(pen, x, height);
    }
    }
    for (const layer of this.#layers.values()) {
      if (!layer.isShown) continue;
      pen.globalAlpha = this.opacity;
      put(layer.image, view);
      pen.globalAlpha = 1;
    }
  }

  #bar(pen, x, height) {
    pen.fillStyle = 'rgba(0,0,0,0.55)';
    pen.fillRect(x - 1.5, 0, 3, height);
    pen.fillStyle = '#fff';
    pen.fillRect(x - 0.5, 0, 1, height);
  }

  #data(name) {
    let found = this.#pixels.get(name);
    const image = this.#images[name];
    const size = this.#size();
    if (!found && image) {
      const canvas = new OffscreenCanvas(size.width, size.height);
      const pen = canvas.getContext('2d', { willReadFrequently: true });
      pen.drawImage(image, 0, 0, size.width, size.height);
      this.#pixels.set(name, found = pen.getImageData(0, 0, size.width, size.height));
    }
    return found;
  }

  #differing() {
    if (this.#difference) return this.#difference;
    const [one, other] = [this.#data('before'), this.#data('after')];
    const result = new ImageData(one.width, one.height);
    const { gain } = this;
    for (let index = 0; index < one.data.length; index += 4) {
      for (let channel = 0; channel < 3; channel += 1) {
        // Gray is no difference: brighter and darker are told apart.
        result.data[index + channel] = 128 + gain * (other.data[index + channel] - one.data[index + channel]) / 2;
      }
      result.data[index + 3] = 255;
    }
    const canvas = new OffscreenCanvas(one.width, one.height);
    canvas.getContext('2d').putImageData(result, 0, 0);
    this.#difference = canvas;
    return canvas;
  }

  #listen() {
    let drag = null;
    const at = (event) => ({ x: event.offsetX, y: event.offsetY });
    this.canvas.addEventListener('wheel', (event) => {
      if (!this.#size()) return;
      event.preventDefault();
      this.scale(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), at(event));
    }, { passive: false });
    this.canvas.addEventListener('pointerdown', (event) => {
      const view = this.#view();
      if (!view) return;
      const bar = view.left + this.split * view.width * view.scale;
      const isBar = this.hasPair && this.mode === 'split' && Math.abs(event.offsetX - bar) < 16;
      drag = { ...at(event), isBar };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener('pointermove', (event) => {
      const view = this.#view(this.mode === 'side' && this.hasPair && event.offsetX > this.canvas.clientWidth / 2 ? 1 : 0);
      if (!view) return;
      const now = at(event);
      if (drag?.isBar) this.setSplit((now.x - view.left) / (view.width * view.scale));
      else if (drag) {
        this.#moveBy((drag.x - now.x) / (view.width * view.scale), (drag.y - now.y) / (view.height * view.scale));
        if (this.zoom === null) this.zoom = view.scale * (devicePixelRatio || 1);
        drag = { ...now, isBar: false };
        this.draw();
      }
      this.#read(view.toPicture(now.x, now.y));
    });
    for (const name of ['pointerup', 'pointercancel']) this.canvas.addEventListener(name, () => { drag = null; });
    this.canvas.addEventListener('pointerleave', () => { this.readout.textContent = ''; });
    this.canvas.addEventListener('dblclick', () => this.setZoom(this.zoom === null ? 1 : null));
  }

  setSplit(value) {
    this.split = Math.min(Math.max(value, 0), 1);
    this.splitBox.value = String(this.split);
    this.draw();
  }

  #read({ x, y }) {
    const size = this.#size();
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (!size || column < 0 || row < 0 || column >= size.width || row >= size.height) { this.readout.textContent = ''; return; }
    const values = ['before', 'after'].filter((name) => this.#images[name]).map((name) => {
      const data = this.#data(name).data;
      const index = (row * size.width + column) * 4;
      return `${this.hasPair ? name + ' ' : ''}${data[index]} ${data[index + 1]} ${data[index + 2]}`;
    });
    this.readout.textContent = `x ${column}, y ${row}: ${values.join(' · ')}`;
  }

  key(event) {
    const step = 40 / ((this.#view()?.scale ?? 1) * (this.#size()?.width ?? 1));
    switch (event.key) {
    case '+': case '=': this.scale(1.5); return true;
    case '-': this.scale(1 / 1.5); return true;
    case '1': this.setZoom(1); return true;
    case 'f': this.setZoom(null); return true;
    case 'n': this.turn(this.index + 1); return true;
    case 'p': this.turn(this.index - 1); return true;
    case ' ':
      if (!this.hasPair) return false;
      this.setMode({ before: 'split', split: 'after' }[this.mode] ?? 'before');
      return true;
    case 'ArrowLeft': case 'ArrowRight': case 'ArrowUp': case 'ArrowDown': {
      const sign = ['ArrowLeft', 'ArrowUp'].includes(event.key) ? -1 : 1;
      if (event.shiftKey) {
        if (this.zoom === null) this.zoom = (this.#view()?.scale ?? 1) * (devicePixelRatio || 1);
        if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') this.#moveBy(sign * step, 0); else this.#moveBy(0, sign * step);
        this.draw();
        return true;
      }
      if (event.key === 'ArrowUp' || event.key === 'ArrowDown' || !this.hasPair) return false;
      this.setSplit(this.split + sign * 0.02);
      return true;
    }
    default: return false;
    }
  }

  /// The gain of PSNR between two pictures in decibel, for captions; null where they are equal or there is but one.
  distance() {
    if (!this.hasPair) return null;
    const [one, other] = [this.#data('before').data, this.#data('after').data];
    let sum = 0;
    for (let index = 0; index < one.length; index += 4) for (let channel = 0; channel < 3; channel += 1) sum += (one[index + channel] - other[index + channel]) ** 2;
    const mean = sum / (one.length / 4 * 3);
    return mean ? number(10 * Math.log10(65025 / mean), 4) : null;
  }
}
