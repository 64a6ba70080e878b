import assert from "node:assert/strict";
import test from "node:test";

import { WINDOWS, greys, resample, shade } from "../src/grey.js";

/** DICOM PS3.3, C.11.2.1.2.1, written as the standard writes it. */
function byTheStandard(x, c, w) {
  if (x <= c - 0.5 - (w - 1) / 2) return 0;
  if (x > c - 0.5 + (w - 1) / 2) return 255;
  return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255;
}

/** The greys of a table, opaque, without the colour of what is outside the image. */
function tableOf(dtype, look) {
  const { colours, offset } = greys(dtype, look);
  assert.ok(colours.every((colour) => colour >>> 24 === 255 && (colour & 255) === ((colour >> 8) & 255) && (colour & 255) === ((colour >> 16) & 255)));
  assert.equal(colours.at(-1) & 0xffffff, 0);
  return { table: colours.slice(0, -1).map((colour) => colour & 255), offset };
}

test("greys follow the standard's linear window, for every value and preset", () => {
  for (const [modality, windows] of Object.entries(WINDOWS)) {
    const dtype = modality === "ct" ? "int16" : "uint8";
    for (const [, level, width] of windows) {
      const { offset, table } = tableOf(dtype, { level, width });
      for (let value = dtype === "uint8" ? 0 : -2000; value < (dtype === "uint8" ? 256 : 4000); value++) {
        assert.equal(table[value + offset], Math.round(byTheStandard(value, level, width)));
      }
    }
  }
});

test("the full window shows a radiograph's stored values as they are", () => {
  const [, level, width] = WINDOWS.radiograph[0];
  assert.deepEqual([...tableOf("uint8", { level, width }).table], [...Array(256).keys()]);
});

test("inverting reverses every grey", () => {
  const look = { level: 40, width: 400 };
  const plain = tableOf("int16", look).table, inverted = tableOf("int16", { ...look, inverted: true }).table;
  assert.ok(plain.every((grey, index) => grey + inverted[index] === 255));
});

test("a window of one value is a step, not an error", () => {
  const { table } = tableOf("uint8", { level: 100, width: 1 });
  assert.deepEqual([table[0], table[99], table[100], table[255]], [0, 0, 255, 255]);
});

const identity = greys("uint8", { level: 128, width: 256 });
const painted = (picture, columns, rows, layout, smooth, table = identity) => {
  const pixels = new Uint32Array(columns * rows), found = new Int32Array(columns * rows);
  resample(found, columns, rows, picture, layout, table, smooth);
  shade(pixels, found, table);
  return [...pixels].map((pixel) => pixel & 255);
};

test("as stored: every screen pixel has the grey of the stored pixel under it, and the surroundings are black", () => {
  const picture = { values: Uint8Array.of(10, 20, 30, 40), width: 2, height: 2 };
  assert.deepEqual(painted(picture, 4, 4, { left: 0, top: 0, across: 2, down: 2 }, false),
    [10, 10, 20, 20, 10, 10, 20, 20, 30, 30, 40, 40, 30, 30, 40, 40]);
  assert.deepEqual(painted(picture, 4, 2, { left: 1, top: 0, across: 1, down: 1 }, false), [0, 10, 20, 0, 0, 30, 40, 0]);
});

test("smooth: halfway between stored pixels is their mean, and on a stored pixel its value", () => {
  const picture = { values: Uint8Array.of(0, 100), width: 2, height: 1 };
  assert.deepEqual(painted(picture, 2, 1, { left: 0, top: 0, across: 1, down: 1 }, true), [0, 100]);
  assert.deepEqual(painted(picture, 4, 1, { left: 0, top: 0, across: 2, down: 1 }, true), [0, 25, 75, 100]);
});

test("smooth: values are interpolated before they become greys, so a narrow window keeps its edge", () => {
  const picture = { values: Int16Array.of(-1000, 1000), width: 2, height: 1 };
  const row = painted(picture, 200, 1, { left: 0, top: 0, across: 100, down: 1 }, true, greys("int16", { level: 0, width: 2 }));
  assert.equal(row.findIndex((grey) => grey > 127), 100);
  assert.ok(row.filter((grey) => grey > 0 && grey < 255).length <= 1);
});
