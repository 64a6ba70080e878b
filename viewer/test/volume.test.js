import assert from "node:assert/strict";
import test from "node:test";

import { Pane } from "../src/pane.js";
import { PLANES, voxelOf, sliceOf, valueAt, volumeOf } from "../src/volume.js";

const shape = [2, 3, 4], spacing = [5, 2, 1];
const values = Int16Array.from({ length: 24 }, (_, index) => index - 12);
const volume = volumeOf(values.buffer, { shape, dtype: "int16", spacing });

test("every pixel of every slice is the stored value of its voxel", () => {
  for (const plane of Object.values(PLANES)) {
    for (let at = 0; at < shape[plane.through]; at++) {
      const picture = sliceOf(volume, plane, at);
      assert.deepEqual([picture.width, picture.height], [shape[plane.across], shape[plane.down]]);
      assert.deepEqual([picture.wide, picture.high], [spacing[plane.across], spacing[plane.down]]);
      for (let y = 0; y < picture.height; y++) {
        for (let x = 0; x < picture.width; x++) {
          const [slice, row, column] = voxelOf(volume, plane, at, x, y);
          assert.equal(picture.values[y * picture.width + x], values[(slice * 3 + row) * 4 + column]);
          assert.equal(valueAt(volume, [slice, row, column]), values[(slice * 3 + row) * 4 + column]);
        }
      }
    }
  }
});

test("the patient's right is on the left of the screen, front is up or left, head is up", () => {
  assert.deepEqual(voxelOf(volume, PLANES.axial, 0, 0, 0), [0, 0, 0]);
  assert.deepEqual(voxelOf(volume, PLANES.coronal, 0, 0, 0), [1, 0, 0]);
  assert.deepEqual(voxelOf(volume, PLANES.sagittal, 3, 0, 0), [1, 0, 3]);
  assert.deepEqual(PLANES.axial.marks, { left: "R", right: "L", top: "A", bottom: "P" });
  assert.deepEqual(PLANES.coronal.marks, { left: "R", right: "L", top: "S", bottom: "I" });
  assert.deepEqual(PLANES.sagittal.marks, { left: "A", right: "P", top: "S", bottom: "I" });
  assert.deepEqual(PLANES.radiograph.marks, { left: "R", right: "L" });
});

test("an image of another size than expected is refused", () => {
  assert.throws(() => volumeOf(values.buffer, { shape: [2, 3, 5], dtype: "int16", spacing }), /size/);
});

/** A pane without a page. */
function pane(width, height, zoom = 1, shift = [0, 0]) {
  return Object.assign(Object.create(Pane.prototype), { canvas: { width, height }, zoom, shift, plane: PLANES.axial });
}

test("a millimetre is equally long across and down, whatever the shape of picture and pane", () => {
  for (const [width, height] of [[512, 512], [300, 700], [900, 200]]) {
    for (const picture of [{ width: 96, height: 64, wide: 4, high: 5 }, { width: 96, height: 96, wide: 1, high: 1 }]) {
      const { across, down, left, top } = pane(width, height).layout(picture);
      assert.ok(Math.abs(across / picture.wide - down / picture.high) < 1e-12);
      assert.ok(left >= -1e-9 && top >= -1e-9 && Math.min(left, top) < 1e-9);
    }
  }
});

test("zooming keeps the point under the pointer, and stops at the whole picture", () => {
  const picture = { width: 96, height: 96, wide: 4, high: 4 }, one = pane(512, 512), at = [100, 300];
  const under = () => { const { left, top, across, down } = one.layout(picture); return [(at[0] - left) / across, (at[1] - top) / down]; };
  const before = under();
  one.zoomBy(3, ...at);
  under().forEach((share, axis) => assert.ok(Math.abs(share - before[axis]) < 1e-9));
  one.zoomBy(0.01, ...at);
  assert.deepEqual([one.zoom, one.shift], [1, [0, 0]]);
});
