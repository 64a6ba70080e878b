/** The viewer: panes, buttons, mouse and keys over one image. */

import { WINDOWS, greys } from "./grey.js";
import { keyHelp, keyOf } from "./keys.js";
import { Pane } from "./pane.js";
import { Pixels } from "./pixels.js";
import { onPane } from "./pointer.js";
import STYLE from "./style.css";
import { valueAt, volumeOf } from "./volume.js";

const CINE_MILLISECONDS = 80;

export class Viewer {
  /** A viewer in `root`, empty until `show`. */
  constructor(root) {
    this.pixels = new Pixels();
    this.panes = [];
    this.look = { smooth: true, lines: true, inverted: false, level: 0, width: 1, preset: 0 };
    this.box = document.createElement("section");
    this.box.className = "viewer";
    this.box.tabIndex = 0;
    this.box.innerHTML = `<style>${STYLE}</style><div class="bar"></div><div class="panes"></div>
      <div class="foot"><span class="value" role="status"></span><span class="note"></span></div><div class="help" hidden></div>`;
    root.append(this.box);
    [this.bar, this.field, this.value, this.note, this.help] = [".bar", ".panes", ".value", ".note", ".help"].map((name) =>
      this.box.querySelector(name),
    );
    this.onKey = (event) => keyOf(this, event);
    document.addEventListener("keydown", this.onKey);
  }

  /** Show the image that the page asks for; the window stays as the reader left it, position and zoom are reset. */
  async show(wanted, step) {
    this.step = step;
    this.wanted = wanted;
    const kind = JSON.stringify([wanted.modality, wanted.shape, wanted.dtype, wanted.spacing]);
    if (kind !== this.kind) this.prepare(wanted, kind);
    this.box.setAttribute("aria-label", `Image viewer. ${wanted.caption}`);
    if (wanted.link === this.link) return;
    this.link = wanted.link;
    this.stopCine();
    try {
      const bytes = await this.pixels.fetch(wanted.link, wanted);
      if (wanted.link !== this.wanted.link) return;
      this.volume = volumeOf(bytes, wanted);
      this.note.textContent = "";
    } catch (error) {
      if (wanted.link !== this.wanted.link) return;
      this.link = null;
      this.volume = null;
      this.panes.forEach((pane) => pane.context.clearRect(0, 0, pane.canvas.width, pane.canvas.height));
      this.note.textContent = error instanceof TypeError ? "The image could not be loaded: is the server running?" : error.message;
      return;
    }
    this.voxel = this.volume.shape.map((size) => size >> 1);
    this.panes.forEach((pane) => pane.fit());
    this.drawNow();
    this.box.dataset.shown = wanted.link;
    wanted.around.forEach((link) => this.pixels.fetch(link, wanted).catch(() => {}));
  }

  /** Panes, buttons and first window for images of another modality, size or spacing. */
  prepare(wanted, kind) {
    this.kind = kind;
    this.panes.forEach((pane) => pane.watcher.disconnect());
    this.cuts = wanted.modality === "ct";
    this.windows = WINDOWS[wanted.modality];
    this.names = this.cuts ? ["axial", "coronal", "sagittal"] : ["radiograph"];
    this.panes = this.names.map((name) => new Pane(name, this));
    this.main = this.panes[0];
    this.field.replaceChildren(...this.panes.map((pane) => pane.element));
    this.panes.forEach((pane) => {
      onPane(this, pane);
      pane.follow();
    });
    this.help.innerHTML = keyHelp(this);
    this.makeButtons();
    this.setMain(this.main);
    this.usePreset(0);
  }

  makeButtons() {
    const cine = this.cuts ? [["cine", "Play", () => this.toggleCine()], ["lines", "Lines", () => this.toggle("lines")]] : [];
    const buttons = [
      ...this.windows.map(([name], number) => [`preset-${number}`, name, () => this.usePreset(number)]),
      ["inverted", "Invert", () => this.toggle("inverted")],
      ["smooth", "Smooth", () => this.toggle("smooth")],
      ["closer", "+", () => this.zoom(1.25), "Zoom in"],
      ["farther", "−", () => this.zoom(0.8), "Zoom out"],
      ["fit", "Fit", () => this.fit()],
      ...cine,
      ["keys", "Keys", () => { this.help.hidden = !this.help.hidden; this.press(); }],
    ];
    this.bar.replaceChildren(...buttons.map(([name, text, act, label]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.dataset.name = name;
      if (label) button.setAttribute("aria-label", label);
      button.addEventListener("click", act);
      return button;
    }));
  }

  /** Show the state of the settings on the buttons. */
  press() {
    const on = { ...this.look, cine: Boolean(this.cine), keys: !this.help.hidden };
    for (const button of this.bar.children) {
      const { name } = button.dataset;
      const pressed = name.startsWith("preset-") ? name === `preset-${this.look.preset}` : on[name];
      if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
    }
  }

  usePreset(number) {
    const window = this.windows[number];
    if (window) this.setWindow(window[1], window[2], number);
  }

  setWindow(level, width, preset = null) {
    Object.assign(this.look, { level, width: Math.max(width, 1), preset });
    this.regrey();
  }

  toggle(name) {
    this.look[name] = !this.look[name];
    this.regrey();
  }

  regrey() {
    this.table = greys(this.wanted.dtype, this.look);
    this.press();
    this.draw();
  }

  zoom(factor) {
    this.main.zoomBy(factor);
    this.draw();
  }

  fit() {
    this.panes.forEach((pane) => pane.fit());
    this.draw();
  }

  /** Go `by` slices further in the plane of `pane`. */
  scroll(by, pane = this.main) {
    const axis = pane.plane.through;
    this.goTo(this.voxel.with(axis, this.voxel[axis] + by));
  }

  /** Show `voxel`, [slice, row, column], in all planes. */
  goTo(voxel) {
    this.voxel = voxel.map((at, axis) => Math.min(Math.max(at, 0), this.volume.shape[axis] - 1));
    this.draw();
  }

  /** Enlarge `pane`. */
  setMain(pane) {
    this.main = pane;
    this.panes.forEach((one) => one.element.classList.toggle("main", one === pane));
    this.field.classList.toggle("cuts", this.cuts);
    this.draw();
  }

  nextPlane() {
    this.setMain(this.panes[(this.panes.indexOf(this.main) + 1) % this.panes.length]);
  }

  toggleCine() {
    if (this.cine) return this.stopCine();
    this.cine = setInterval(() => {
      const axis = this.main.plane.through, last = this.volume.shape[axis] - 1;
      this.goTo(this.voxel.with(axis, this.voxel[axis] >= last ? 0 : this.voxel[axis] + 1));
    }, CINE_MILLISECONDS);
    this.press();
  }

  stopCine() {
    clearInterval(this.cine);
    this.cine = null;
    this.press();
  }

  /** Show the value under the pointer. */
  showValue(voxel) {
    if (!voxel) this.value.textContent = "";
    else if (this.cuts) this.value.textContent = `${valueAt(this.volume, voxel)} HU · slice ${voxel[0] + 1}, row ${voxel[1] + 1}, column ${voxel[2] + 1}`;
    else this.value.textContent = `Value ${valueAt(this.volume, voxel)} of 255 · row ${voxel[1] + 1}, column ${voxel[2] + 1}`;
  }

  /** Draw at the next frame, once per frame. */
  draw() {
    this.frame ??= requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    if (this.volume) this.panes.forEach((pane) => pane.draw());
  }

  /** Remove the viewer and its listeners from the page. */
  close() {
    clearInterval(this.cine);
    cancelAnimationFrame(this.frame);
    document.removeEventListener("keydown", this.onKey);
    this.panes.forEach((pane) => pane.watcher.disconnect());
    this.box.remove();
  }
}
