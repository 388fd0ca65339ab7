// The map: says what stands under the pointer, and what went wrong.
const REACH = 12;

const map = document.getElementById("map");
let points;

function failed() {
  map.textContent = "The map could not be drawn. Reload the page to try again.";
}

document.body.addEventListener("htmx:responseError", failed);
document.body.addEventListener("htmx:sendError", failed);

async function known(picture) {
  points ??= fetch(picture.dataset.points).then((response) => (response.ok ? response.json() : []));
  return points;
}

function nearest(all, x, y) {
  let found = null;
  let least = REACH ** 2;
  for (const point of all) {
    const squares = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (squares < least) [found, least] = [point, squares];
  }
  return found;
}

async function pointed(event) {
  const picture = event.target;
  if (picture.id !== "picture" || !picture.naturalWidth) return;
  const scale = picture.naturalWidth / picture.clientWidth;
  const padding = Number(picture.dataset.padding);
  const [x, y] = [event.offsetX * scale - padding, event.offsetY * scale - padding];
  const point = nearest(await known(picture), x, y);
  if (!point) return;
  // As text, not markup: strangers wrote it.
  const said = document.getElementById("pointed");
  const label = document.createElement("small");
  label.textContent = `${point.label} · ${point.id}`;
  said.replaceChildren(point.text, document.createElement("br"), label);
}

map.addEventListener("pointermove", pointed);
map.addEventListener("pointerdown", pointed);
