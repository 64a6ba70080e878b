/** Images as they are stored: slices from feet to head, rows from front to back, columns from the patient's right to left. */

const ARRAYS = { uint8: Uint8Array, int16: Int16Array };

/**
 * The planes: which axis of the array (0 slices, 1 rows, 2 columns) runs across, down and through the picture, whether "down" is
 * reversed, and the marks at the edges. Nothing is ever mirrored: the patient's right is on the reader's left.
 */
export const PLANES = {
  radiograph: { title: "", across: 2, down: 1, through: 0, turned: false, marks: { left: "R", right: "L" } },
  axial: { title: "Axial", across: 2, down: 1, through: 0, turned: false, marks: { left: "R", right: "L", top: "A", bottom: "P" } },
  coronal: { title: "Coronal", across: 2, down: 0, through: 1, turned: true, marks: { left: "R", right: "L", top: "S", bottom: "I" } },
  sagittal: { title: "Sagittal", across: 1, down: 0, through: 2, turned: true, marks: { left: "A", right: "P", top: "S", bottom: "I" } },
};

/** The image in `buffer`: values, size along each axis, and spacing in millimetres. */
export function volumeOf(buffer, { shape, dtype, spacing }) {
  const values = new ARRAYS[dtype](buffer);
  if (values.length !== shape[0] * shape[1] * shape[2]) throw new Error("The image does not have the expected size.");
  return { values, shape, spacing, strides: [shape[1] * shape[2], shape[2], 1] };
}

/** The picture of `plane` at index `at` along the axis that runs through it. */
export function sliceOf(volume, plane, at) {
  const { across, down, through, turned } = plane;
  const width = volume.shape[across], height = volume.shape[down];
  const values = new volume.values.constructor(width * height);
  const step = volume.strides[across];
  for (let row = 0; row < height; row++) {
    const source = turned ? height - 1 - row : row;
    let from = at * volume.strides[through] + source * volume.strides[down];
    for (let to = row * width; to < (row + 1) * width; to++, from += step) values[to] = volume.values[from];
  }
  return { values, width, height, wide: volume.spacing[across], high: volume.spacing[down] };
}

/** The voxel, [slice, row, column], at column `x` and row `y` of the picture of `plane` at `at`. */
export function voxelOf(volume, plane, at, x, y) {
  const voxel = [0, 0, 0];
  voxel[plane.through] = at;
  voxel[plane.across] = x;
  voxel[plane.down] = plane.turned ? volume.shape[plane.down] - 1 - y : y;
  return voxel;
}

/** The value of `voxel`, [slice, row, column]. */
export function valueAt(volume, voxel) {
  return volume.values[voxel[0] * volume.strides[0] + voxel[1] * volume.strides[1] + voxel[2]];
}
