/** Pixels from the server; a few images are kept in this page's memory, and nowhere else. */

const MOST_BYTES = 48 * 2 ** 20;

export class Pixels {
  constructor() {
    this.kept = new Map();
  }

  /** A promise of the bytes of the image that `link` names, which is fetched once. */
  fetch(link, { pixels, header, token }) {
    const known = this.kept.get(link);
    if (known) return known;
    const coming = this.ask(new URL(`${pixels}/${link}`, document.baseURI), { [header]: token });
    this.kept.set(link, coming);
    coming.then(() => this.forget(link), () => this.kept.delete(link));
    return coming;
  }

  async ask(address, headers) {
    const answer = await fetch(address, { headers, cache: "no-store", credentials: "same-origin" });
    if (answer.status === 403) throw new Error("This view has expired: open another case, or reload the page.");
    if (!answer.ok) throw new Error("This image cannot be shown: it is no longer stored.");
    const bytes = await answer.arrayBuffer();
    return bytes;
  }

  /** Drop the images that were fetched first while there are too many bytes, but never the image `kept`. */
  async forget(kept) {
    const sizes = await Promise.all([...this.kept].map(async ([link, coming]) => [link, (await coming.catch(() => null))?.byteLength ?? 0]));
    let bytes = sizes.reduce((sum, [, size]) => sum + size, 0);
    for (const [link, size] of sizes) {
      if (bytes <= MOST_BYTES) return;
      if (link === kept) continue;
      this.kept.delete(link);
      bytes -= size;
    }
  }
}
