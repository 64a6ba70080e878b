/** Pixels from the server, a few images kept in this page's memory and nowhere else. */

const MOST_BYTES = 48 * 2 ** 20;

export class Pixels {
  constructor() {
    this.kept = new Map();
  }

  /** The bytes of the image that `link` names; fetched once. */
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
    if (answer.status === 403) throw new Error("This view has expired: go to another case, or load the page again.");
    if (!answer.ok) throw new Error("This image cannot be shown: it is no longer stored here.");
    const bytes = await answer.arrayBuffer();
    return bytes;
  }

  /** Let the images go that were asked for first, while there are too many; never `kept`. */
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
