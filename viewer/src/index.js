/** What the page calls: once when the viewer appears, and again for every other image. */

import { Viewer } from "./viewer.js";

const viewers = new WeakMap();

/** Show the image in `component.data`; returns the function that removes the viewer. */
export function show({ data, parentElement, setTriggerValue }) {
  let viewer = viewers.get(parentElement);
  if (!viewer) viewers.set(parentElement, (viewer = new Viewer(parentElement.querySelector("div") ?? parentElement)));
  viewer.show(data, (by) => setTriggerValue("step", by));
  return () => {
    viewers.delete(parentElement);
    viewer.close();
  };
}
