/** Mouse, pen and touch on a pane. */

const STILL = 3; // pixels that a click may move
const STEP = 1.15;

/** Drag: window and level. With Shift, or the right or middle button: pan. Click: go to this point in the other planes. Wheel: slices or zoom. */
export function onPane(viewer, pane) {
  const { canvas } = pane;
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (!viewer.volume) return;
    from = { x: event.clientX, y: event.clientY, moved: false, moves: event.shiftKey || event.button > 0, look: { ...viewer.look } };
    canvas.setPointerCapture(event.pointerId);
    viewer.box.focus({ preventScroll: true });
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!viewer.volume) return;
    viewer.showValue(pane.voxelUnder(...pane.pixelUnder(event)));
    if (!from) return;
    const x = event.clientX - from.x, y = event.clientY - from.y;
    from.moved ||= Math.hypot(x, y) > STILL;
    if (!from.moved) return;
    if (from.moves) drag(viewer, pane, event, from);
    else {
      const speed = Math.max(from.look.width / 300, 0.5);
      viewer.setWindow(from.look.level + y * speed, from.look.width + x * speed);
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (from && !from.moved && !from.moves && viewer.cuts) {
      const voxel = pane.voxelUnder(...pane.pixelUnder(event));
      if (voxel) viewer.goTo(voxel);
    }
    from = null;
  });
  canvas.addEventListener("pointercancel", () => { from = null; });
  canvas.addEventListener("pointerleave", () => viewer.showValue(null));
  canvas.addEventListener("dblclick", () => viewer.setMain(pane));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => onWheel(viewer, pane, event), { passive: false });
}

function drag(viewer, pane, event, from) {
  const ratio = pane.canvas.width / pane.canvas.clientWidth;
  pane.move((event.clientX - from.x) * ratio, (event.clientY - from.y) * ratio);
  from.x = event.clientX;
  from.y = event.clientY;
  viewer.draw();
}

/** A radiograph lets the page scroll; with Ctrl the wheel zooms, as a pinch on a touchpad does. */
function onWheel(viewer, pane, event) {
  if (!viewer.volume || (!viewer.cuts && !event.ctrlKey)) return;
  event.preventDefault();
  if (event.ctrlKey) {
    pane.zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, ...pane.pixelUnder(event));
    viewer.draw();
  } else if (event.deltaY) viewer.scroll(event.deltaY < 0 ? 1 : -1, pane);
}
