"use strict";
// One photo at a time: its input under its result, which is cut off at the divider.
const find = (id) => document.getElementById(id);
const rows = [...document.querySelectorAll(".row")];
const stage = find("stage"), picture = find("picture"), divider = find("divider");
const SMALLEST = 240; // pixels of the screen: of a smaller photo the divider's handle would hide too much
const ZOOMS = [0, 1, 2, 4]; // 0: the whole photo fits; else device pixels per pixel of the photo
const state = { index: -1, photo: null, place: 0, zoom: 0, split: 0.5, x: 0, y: 0 };

function photoOf(index) {
  return JSON.parse(find(`photo-${index}`).textContent);
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function open(index) {
  if (index < 0 || index >= rows.length) return;
  state.index = index;
  state.photo = photoOf(index);
  state.place = 0;
  state.zoom = 0;
  rows.forEach((row, number) => {
    if (number === index) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  });
  if (!matchMedia("(max-width: 720px)").matches) rows[index].scrollIntoView({ block: "nearest" });
  find("name").textContent = state.photo.name;
  find("name").title = state.photo.name;
  find("position").textContent = `${index + 1} of ${rows.length}`;
  find("previous").disabled = index === 0;
  find("next").disabled = index === rows.length - 1;
  find("before-tag").textContent = state.photo.fitted ? `Input, ${state.photo.fitted}` : "Input";
  showFacts(state.photo);
  showPlaces(state.photo);
  load();
  history.replaceState(null, "", `#${index + 1}`);
}

function load() {
  const { photo, place, zoom } = state;
  const shown = zoom ? photo.places[place] : photo.view;
  if (find("before").src !== shown.before) find("before").src = shown.before;
  if (find("after").src !== shown.after) find("after").src = shown.after;
  find("before").alt = `${photo.name}, input`;
  find("after").alt = `${photo.name}, result`;
  find("spots").hidden = zoom !== 0 || photo.whole;
  for (const button of find("zooms").children)
    button.setAttribute("aria-pressed", String(Number(button.value) === zoom));
  for (const button of find("places").children)
    button.setAttribute("aria-pressed", String(zoom !== 0 && Number(button.value) === place));
  arrange();
}

// Where the picture lies: its size in CSS pixels, and the part of it that the stage shows.
function layout() {
  const { photo, place, zoom } = state;
  const ratio = devicePixelRatio || 1;
  const box = zoom ? photo.places[place].box : photo.view.box;
  const room = { width: stage.clientWidth, height: stage.clientHeight };
  const most = Math.max(1, SMALLEST / Math.max(box.width, box.height));
  const scale = zoom ? zoom / ratio : Math.min(room.width / box.width, room.height / box.height, most);
  const width = box.width * scale, height = box.height * scale;
  const along = (side, space, wanted) =>
    side <= space ? (space - side) / 2 : Math.min(0, Math.max(space - side, wanted));
  const snap = (value) => Math.round(value * ratio) / ratio; // a pixel of the photo on a pixel of the screen
  const x = snap(along(width, room.width, state.x)), y = snap(along(height, room.height, state.y));
  const left = Math.max(0, x), right = Math.min(room.width, x + width);
  return { x, y, width, height, scale, ratio, left, right, pans: width > room.width || height > room.height };
}

function arrange() {
  if (!state.photo) return;
  const now = layout();
  state.x = now.x;
  state.y = now.y;
  picture.style.transform = `translate(${now.x}px, ${now.y}px)`;
  picture.style.width = `${now.width}px`;
  picture.style.height = `${now.height}px`;
  picture.classList.toggle("pixels", state.zoom > 0 || now.scale > 1);
  stage.classList.toggle("pans", now.pans);
  const at = now.left + state.split * (now.right - now.left);
  find("after").style.clipPath = `inset(0 0 0 ${at - now.x}px)`;
  divider.style.left = `${at}px`;
  const percent = Math.round(state.split * 100);
  divider.setAttribute("aria-valuenow", String(percent));
  divider.setAttribute("aria-valuetext", `${percent} % input, ${100 - percent} % result`);
  find("scale").textContent = `${Math.round(now.scale * now.ratio * 100)} %`;
}

function moveDivider(split) {
  state.split = Math.min(1, Math.max(0, split));
  arrange();
}

function dividerTo(clientX) {
  const now = layout();
  moveDivider((clientX - stage.getBoundingClientRect().left - now.left) / Math.max(1, now.right - now.left));
}

// What a place is opened at: 100 %, but on a screen of tiny pixels what fills a good part of it.
function usualZoom(place) {
  const ratio = devicePixelRatio || 1, { box } = state.photo.places[place];
  const fills = (zoom) => (box.width * zoom) / ratio >= stage.clientWidth / 2;
  return ratio > 1 ? ZOOMS.find((zoom) => zoom && (fills(zoom) || zoom >= ratio)) || 1 : 1;
}

// Zoom, keeping the middle of the stage (or the point given, in pixels of the place) in the middle.
function zoomTo(zoom, place = state.place, point = null) {
  const before = layout(), same = state.zoom && zoom && place === state.place;
  const middle = { x: stage.clientWidth / 2, y: stage.clientHeight / 2 };
  const box = state.photo.places[place].box;
  const target = point || (same
    ? { x: (middle.x - before.x) / before.scale, y: (middle.y - before.y) / before.scale }
    : { x: box.width / 2, y: box.height / 2 });
  state.zoom = zoom;
  state.place = place;
  const scale = zoom / (devicePixelRatio || 1);
  state.x = middle.x - target.x * scale;
  state.y = middle.y - target.y * scale;
  load();
}

function zoomBy(steps, point = null) {
  const index = Math.min(ZOOMS.length - 1, Math.max(0, ZOOMS.indexOf(state.zoom) + steps));
  if (ZOOMS[index] !== state.zoom) zoomTo(ZOOMS[index], state.place, point);
}

// The place at a point of the whole photo, with the point inside it; else the nearest one.
function placeAt(clientX, clientY) {
  const now = layout(), frame = stage.getBoundingClientRect();
  const x = (clientX - frame.left - now.x) / now.scale, y = (clientY - frame.top - now.y) / now.scale;
  const away = ({ box }) => Math.hypot(
    Math.max(box.left - x, 0, x - box.left - box.width), Math.max(box.top - y, 0, y - box.top - box.height));
  const places = state.photo.places;
  const place = places.reduce((best, each, index) => (away(each) < away(places[best]) ? index : best), 0);
  const { box } = places[place];
  return { place, point: away(places[place]) ? null : { x: x - box.left, y: y - box.top } };
}

function showPlaces(photo) {
  const buttons = photo.places.map((place, index) => {
    const button = element("button", photo.whole ? "" : `${index + 1} ${place.why}`);
    button.type = "button";
    button.value = index;
    button.addEventListener("click", () => zoomTo(state.zoom || usualZoom(index), index));
    return button;
  });
  find("places").replaceChildren(...(photo.whole ? [] : buttons));
  const all = photo.view.box;
  find("spots").replaceChildren(...photo.places.map(({ box, why }, index) => {
    const spot = element("div", undefined, "spot"), button = element("button", String(index + 1));
    spot.style.left = `${(100 * box.left) / all.width}%`;
    spot.style.top = `${(100 * box.top) / all.height}%`;
    spot.style.width = `${(100 * box.width) / all.width}%`;
    spot.style.height = `${(100 * box.height) / all.height}%`;
    button.type = "button";
    button.setAttribute("aria-label", `Place ${index + 1}, ${why}, at full size`);
    button.addEventListener("click", () => zoomTo(usualZoom(index), index));
    spot.append(button);
    return spot;
  }));
}

function listOf(texts, className) {
  const list = element("ul", undefined, className);
  list.append(...texts.map((text) => element("li", text)));
  return list;
}

function showFacts(photo) {
  const parts = [element("h3", "Changed by"), element("p", photo.change, "big"),
    element("p", "of 255 levels, on average over all pixels", "soft")];
  if (photo.notes.length) parts.push(element("h3", "Found and done"), listOf(photo.notes));
  if (photo.warnings.length) parts.push(element("h3", "Warnings"), listOf(photo.warnings, "warnings"));
  for (const [title, one] of [["Input", photo.input], ["Result", photo.result]]) {
    const path = element("p", undefined, "path");
    path.append(element("bdi", one.path));
    parts.push(element("h3", title), element("p", `${one.size}, ${one.kind}`), path);
  }
  if (photo.shown.length) parts.push(element("h3", "How it is shown"), listOf(photo.shown));
  find("facts").replaceChildren(...parts);
}

// Pointers: where everything is seen, any drag moves the divider; else the divider is dragged, or the picture.
const pointers = new Map();
let drag = null;

stage.addEventListener("pointerdown", (event) => {
  if (event.target.closest("button") || (event.pointerType === "mouse" && event.button)) return;
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) {
    drag = { kind: "pinch", distance: spread() };
    return;
  }
  const onDivider = event.target.closest("#divider");
  const pans = layout().pans && !onDivider;
  drag = { kind: pans ? "pan" : "divider", x: event.clientX - state.x, y: event.clientY - state.y };
  if (!pans) dividerTo(event.clientX);
});

stage.addEventListener("pointermove", (event) => {
  if (!pointers.has(event.pointerId) || !drag) return;
  pointers.set(event.pointerId, event);
  if (drag.kind === "pinch") {
    const factor = spread() / drag.distance;
    if (factor > 1.3 || factor < 0.77) {
      const [one] = pointers.values();
      const wanted = state.zoom ? null : placeAt(one.clientX, one.clientY);
      if (wanted && factor > 1) zoomTo(usualZoom(wanted.place), wanted.place, wanted.point);
      else zoomBy(factor > 1 ? 1 : -1);
      drag.distance = spread();
    }
  } else if (drag.kind === "pan") {
    state.x = event.clientX - drag.x;
    state.y = event.clientY - drag.y;
    arrange();
  } else dividerTo(event.clientX);
});

function spread() {
  const [one, two] = pointers.values();
  return Math.max(1, Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY));
}

for (const name of ["pointerup", "pointercancel"])
  stage.addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    drag = null;
  });

stage.addEventListener("dblclick", (event) => {
  if (event.target.closest("button")) return;
  const { place, point } = placeAt(event.clientX, event.clientY);
  if (state.zoom) zoomTo(0);
  else zoomTo(usualZoom(place), place, point);
});

stage.addEventListener("wheel", (event) => {
  if (!layout().pans && !event.ctrlKey) return;
  event.preventDefault();
  if (event.ctrlKey) zoomBy(event.deltaY < 0 ? 1 : -1);
  else {
    state.x -= event.deltaX;
    state.y -= event.deltaY;
    arrange();
  }
}, { passive: false });

function inputOnly(wanted) {
  stage.classList.toggle("input-only", wanted);
}

const hold = find("hold");
hold.addEventListener("pointerdown", () => inputOnly(true));
for (const name of ["pointerup", "pointerleave", "pointercancel", "blur"])
  hold.addEventListener(name, () => inputOnly(false));

const KEYS = {
  j: () => open(state.index + 1), PageDown: () => open(state.index + 1),
  k: () => open(state.index - 1), PageUp: () => open(state.index - 1),
  z: () => zoomTo(state.zoom ? 0 : 1), Escape: () => zoomTo(0),
  "+": () => zoomBy(1), "=": () => zoomBy(1), "-": () => zoomBy(-1),
  n: () => zoomTo(state.zoom || usualZoom(0), state.zoom ? (state.place + 1) % state.photo.places.length : 0),
  "?": () => find("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("keys").open || !state.photo) return;
  const onDivider = document.activeElement === divider;
  const step = event.shiftKey ? 0.1 : 0.02;
  if (event.key === "ArrowLeft" || (onDivider && event.key === "ArrowDown")) moveDivider(state.split - step);
  else if (event.key === "ArrowRight" || (onDivider && event.key === "ArrowUp")) moveDivider(state.split + step);
  else if (onDivider && event.key === "Home") moveDivider(0);
  else if (onDivider && event.key === "End") moveDivider(1);
  else if (event.key === " " && (!document.activeElement.closest("button") || document.activeElement === hold))
    inputOnly(true);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});
document.addEventListener("keyup", (event) => {
  if (event.key === " ") inputOnly(false);
});

for (const zoom of ZOOMS) {
  const button = element("button", zoom ? `${zoom * 100} %` : "Fit");
  button.type = "button";
  button.value = zoom;
  button.addEventListener("click", () => zoomTo(zoom));
  find("zooms").append(button);
}
rows.forEach((row, index) => row.addEventListener("click", () => {
  open(index);
  if (matchMedia("(max-width: 720px)").matches) find("viewer").scrollIntoView();
}));
find("previous").addEventListener("click", () => open(state.index - 1));
find("next").addEventListener("click", () => open(state.index + 1));
find("keys-button").addEventListener("click", () => find("keys").showModal());
new ResizeObserver(arrange).observe(stage);

if (rows.length) {
  find("viewer").hidden = false;
  const wanted = Number(location.hash.slice(1));
  open(wanted >= 1 && wanted <= rows.length ? wanted - 1 : 0);
}
