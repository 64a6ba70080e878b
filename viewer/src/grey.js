/** From stored values to grey levels. */

/** Windows by modality: [name, level, width]. Films are stored in 256 steps, CT in Hounsfield units. */
export const WINDOWS = {
  radiograph: [["Full", 128, 256], ["Lung", 85, 150], ["Bone", 185, 140]],
  ct: [["Soft tissue", 40, 400], ["Lung", -600, 1500], ["Bone", 400, 1800], ["Pancreas", 50, 250]],
};

/**
 * The grey level of every value that the array's type can hold: DICOM's linear window (PS3.3, C.11.2.1.2.1), rounded.
 * `table[value + offset]` is the grey of `value`.
 */
export function greys(dtype, { level, width, inverted }) {
  const [size, offset] = dtype === "uint8" ? [256, 0] : [65536, 32768];
  const table = new Uint8ClampedArray(size);
  const span = Math.max(width - 1, 1e-6);
  for (let index = 0; index < size; index++) {
    const grey = Math.round(((index - offset - (level - 0.5)) / span + 0.5) * 255);
    table[index] = inverted ? 255 - Math.min(Math.max(grey, 0), 255) : grey;
  }
  return { table, offset };
}

/**
 * Draw `picture` into `pixels` (32 bits each, `columns` wide): each screen pixel shows the stored value under its middle, or the value
 * between its four neighbours where `smooth`; values are found first and given their grey afterwards, so a narrow window stays true.
 * What lies outside the picture is black.
 */
export function paint(pixels, columns, rows, picture, { left, top, across, down }, { table, offset }, smooth) {
  const xs = places(columns, left, across, picture.width), ys = places(rows, top, down, picture.height);
  const { values, width } = picture;
  for (let row = 0, to = 0; row < rows; row++) {
    const y = ys.at[row];
    for (let column = 0; column < columns; column++, to++) {
      const x = xs.at[column];
      if (Number.isNaN(x) || Number.isNaN(y)) { pixels[to] = 0xff000000; continue; }
      let value;
      if (smooth) {
        const first = ys.low[row] * width, second = ys.high[row] * width, a = xs.low[column], b = xs.high[column];
        const s = xs.share[column], t = ys.share[row];
        const upper = values[first + a] + s * (values[first + b] - values[first + a]);
        const lower = values[second + a] + s * (values[second + b] - values[second + a]);
        value = Math.round(upper + t * (lower - upper));
      } else value = values[ys.near[row] * width + xs.near[column]];
      const grey = table[value + offset];
      pixels[to] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
  }
}

/** Where each of `length` screen pixels lies along an axis of `size` stored ones that begins at `begin` and shows each over `scale`. */
function places(length, begin, scale, size) {
  const at = new Float64Array(length), near = new Int32Array(length);
  const low = new Int32Array(length), high = new Int32Array(length), share = new Float64Array(length);
  for (let pixel = 0; pixel < length; pixel++) {
    const place = (pixel + 0.5 - begin) / scale;
    if (place < 0 || place >= size) { at[pixel] = NaN; continue; }
    at[pixel] = place;
    near[pixel] = Math.floor(place);
    const middle = Math.min(Math.max(place - 0.5, 0), size - 1);
    low[pixel] = Math.floor(middle);
    high[pixel] = Math.min(low[pixel] + 1, size - 1);
    share[pixel] = middle - low[pixel];
  }
  return { at, near, low, high, share };
}
