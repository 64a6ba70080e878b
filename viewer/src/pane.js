/** One plane on the page: a canvas with marks at its edges, reference lines of the other planes, and text in its corners. */

import { resample, shade } from "./grey.js";
import { PLANES, voxelOf, sliceOf } from "./volume.js";

const LARGEST_ZOOM = 20;

export class Pane {
  /** An empty pane of the plane called `name`; `stage` holds what all panes share (volume, voxel, window). */
  constructor(name, stage) {
    this.name = name;
    this.plane = PLANES[name];
    this.stage = stage;
    this.draws = 0;
    this.fit();
    this.element = document.createElement("div");
    this.element.className = "pane";
    this.element.dataset.plane = name;
    const marks = Object.entries(this.plane.marks).map(([side, mark]) => `<span class="mark ${side}">${mark}</span>`);
    this.element.innerHTML = `<canvas></canvas><i class="line across"></i><i class="line down"></i>${marks.join("")}
      <span class="corner above"></span><span class="corner below"></span>`;
    this.canvas = this.element.querySelector("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    [this.across, this.down] = this.element.querySelectorAll(".line");
    [this.above, this.below] = this.element.querySelectorAll(".corner");
  }

  /** Show the whole picture. */
  fit() {
    this.zoom = 1;
    this.shift = [0, 0];
  }

  /** Zoom by `factor` about the canvas pixel (x, y), which keeps showing the same point. */
  zoomBy(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), LARGEST_ZOOM), change = zoom / this.zoom;
    const middle = [this.canvas.width / 2, this.canvas.height / 2];
    this.shift = [x, y].map((at, axis) => at - middle[axis] - change * (at - middle[axis] - this.shift[axis]));
    if (zoom === 1) this.shift = [0, 0];
    this.zoom = zoom;
  }

  /** Move the picture by (x, y) canvas pixels. */
  move(x, y) {
    this.shift = [this.shift[0] + x, this.shift[1] + y];
  }

  /** The picture's corner on the canvas, and canvas pixels per stored pixel; a millimetre is equally long across and down. */
  layout(picture) {
    const { width, height } = this.canvas;
    const scale = this.zoom * Math.min(width / (picture.width * picture.wide), height / (picture.height * picture.high));
    const across = scale * picture.wide, down = scale * picture.high;
    return {
      across, down,
      left: (width - picture.width * across) / 2 + this.shift[0],
      top: (height - picture.height * down) / 2 + this.shift[1],
    };
  }

  /** The voxel under canvas pixel (x, y); null outside the picture. */
  voxelUnder(x, y) {
    if (!this.picture) return null;
    const { left, top, across, down } = this.layout(this.picture);
    const column = Math.floor((x - left) / across), row = Math.floor((y - top) / down);
    const inside = column >= 0 && row >= 0 && column < this.picture.width && row < this.picture.height;
    return inside ? voxelOf(this.stage.volume, this.plane, this.stage.voxel[this.plane.through], column, row) : null;
  }

  /** Draw the picture with its text and lines; values are interpolated again only where they have changed, see `resample`. */
  draw() {
    const { volume, voxel, look, table, cuts } = this.stage;
    if (!volume || !this.resize()) return;
    const at = voxel[this.plane.through], { width, height } = this.canvas;
    if (this.drawn?.volume !== volume || this.drawn.at !== at) this.picture = sliceOf(volume, this.plane, at);
    const layout = this.layout(this.picture), wanted = { volume, at, width, height, smooth: look.smooth, ...layout };
    if (this.image?.width !== width || this.image?.height !== height) {
      this.image = this.context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.found = new Int32Array(width * height);
    }
    if (!same(this.drawn, wanted)) resample(this.found, width, height, this.picture, layout, table, look.smooth);
    this.drawn = wanted;
    shade(this.pixels, this.found, table);
    this.context.putImageData(this.image, 0, 0);
    const large = this.stage.main === this, slice = `${this.plane.title} ${at + 1}${large ? ` of ${volume.shape[this.plane.through]}` : ""}`;
    const window = `W ${Math.round(look.width)}  L ${Math.round(look.level)}${this.zoom > 1 ? `  ×${this.zoom.toFixed(1)}` : ""}`;
    this.above.textContent = cuts && large ? slice : "";
    this.below.textContent = large ? window : slice;
    this.drawLines(layout);
    this.canvas.dataset.draws = ++this.draws;
  }

  /** Reference lines, where the other planes cut this one. */
  drawLines({ left, top, across, down }) {
    const shown = this.stage.cuts && this.stage.look.lines;
    this.across.hidden = this.down.hidden = !shown;
    if (!shown) return;
    const { voxel, volume } = this.stage, { plane } = this, ratio = this.canvas.width / this.canvas.clientWidth;
    const row = plane.turned ? volume.shape[plane.down] - 1 - voxel[plane.down] : voxel[plane.down];
    this.down.style.left = `${(left + (voxel[plane.across] + 0.5) * across) / ratio}px`;
    this.across.style.top = `${(top + (row + 0.5) * down) / ratio}px`;
  }

  /**
   * Observe the size of the canvas in whole pixels of the screen. Only the browser knows how it rounds a box of 482.5 pixels; a canvas
   * with one pixel more or less would be stretched, and its grey levels would no longer be exact.
   */
  follow() {
    this.watcher = new ResizeObserver(([{ devicePixelContentBoxSize: boxes }]) => {
      this.size = boxes ? [boxes[0].inlineSize, boxes[0].blockSize] : null;
      this.stage.draw();
    });
    try {
      this.watcher.observe(this.canvas, { box: "device-pixel-content-box" });
    } catch {
      this.watcher.observe(this.canvas);
    }
  }

  /** Give the canvas exactly as many pixels as the screen has there; returns whether there are any. */
  resize() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = this.size ?? [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => Math.round(side * ratio));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    return width > 0 && height > 0;
  }

  /** The canvas pixel under the pointer. */
  pixelUnder(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * this.canvas.width) / box.width, ((event.clientY - box.top) * this.canvas.height) / box.height];
  }
}

function same(one, other) {
  return Boolean(one) && Object.keys(other).every((name) => one[name] === other[name]);
}
