/** From stored values to grey levels. */

const BLACK = 0xff000000;

/** Windows by modality: [name, level, width]. Radiographs are stored in 256 steps, CT in Hounsfield units. */
export const WINDOWS = {
  radiograph: [["Full", 128, 256], ["Lung", 85, 150], ["Bone", 185, 140]],
  ct: [["Soft tissue", 40, 400], ["Lung", -600, 1500], ["Bone", 400, 1800], ["Pancreas", 50, 250]],
};

/**
 * The colour of every value that the array's type can hold: DICOM's linear window (PS3.3, C.11.2.1.2.1), rounded, as opaque grey.
 * `colours[value + offset]` is that of `value`; the last one, black, is for pixels outside the image. A table, because looking up a value
 * is fast enough to redraw at every move of the mouse.
 */
export function greys(dtype, { level, width, inverted }) {
  const [size, offset] = dtype === "uint8" ? [256, 0] : [65536, 32768];
  const colours = new Uint32Array(size + 1).fill(BLACK);
  const span = Math.max(width - 1, 1e-6);
  for (let index = 0; index < size; index++) {
    const share = Math.min(Math.max((index - offset - (level - 0.5)) / span + 0.5, 0), 1), grey = Math.round(share * 255);
    colours[index] = BLACK | ((inverted ? 255 - grey : grey) * 0x010101);
  }
  return { colours, offset };
}

/**
 * Find what each screen pixel shows of `picture`, as indices into the table of `greys`: the stored value under its centre or, with
 * `smooth`, the bilinear interpolation of the four nearest. Values are interpolated before they get their grey, so a narrow window keeps
 * its edges, and dragging the window does not interpolate again.
 */
export function resample(found, columns, rows, picture, { left, top, across, down }, { colours, offset }, smooth) {
  const xs = sourcesAlong(columns, left, across, picture.width), ys = sourcesAlong(rows, top, down, picture.height);
  const { values, width } = picture, outside = colours.length - 1;
  for (let row = 0, to = 0; row < rows; row++) {
    if (ys.near[row] < 0) {
      found.fill(outside, to, (to += columns));
      continue;
    }
    const first = ys.low[row] * width, second = ys.high[row] * width, near = ys.near[row] * width, t = ys.share[row];
    for (let column = 0; column < columns; column++, to++) {
      if (xs.near[column] < 0) found[to] = outside;
      else if (smooth) {
        const a = xs.low[column], b = xs.high[column], s = xs.share[column];
        const upper = values[first + a] + s * (values[first + b] - values[first + a]);
        const lower = values[second + a] + s * (values[second + b] - values[second + a]);
        found[to] = Math.round(upper + t * (lower - upper)) + offset;
      } else found[to] = values[near + xs.near[column]] + offset;
    }
  }
}

/** Set every one of `pixels` to the colour of its value. */
export function shade(pixels, found, { colours }) {
  for (let pixel = 0; pixel < pixels.length; pixel++) pixels[pixel] = colours[found[pixel]];
}

/**
 * For each of `length` screen pixels along an axis, the stored pixels that it shows: of `size` stored ones, which begin at screen pixel
 * `begin` and take `scale` screen pixels each, the nearest (-1 outside), the two that it lies between, and the share of the second.
 */
function sourcesAlong(length, begin, scale, size) {
  const near = new Int32Array(length), share = new Float64Array(length);
  const low = new Int32Array(length), high = new Int32Array(length);
  for (let pixel = 0; pixel < length; pixel++) {
    const position = (pixel + 0.5 - begin) / scale; // centre of the screen pixel, in stored pixels from the edge
    near[pixel] = position < 0 || position >= size ? -1 : Math.floor(position);
    const middle = Math.min(Math.max(position - 0.5, 0), size - 1);
    low[pixel] = Math.floor(middle);
    high[pixel] = Math.min(low[pixel] + 1, size - 1);
    share[pixel] = middle - low[pixel];
  }
  return { near, low, high, share };
}
