// The answer under way, for each kind of answer: classes, a score, a preference, a text.
import { $, config } from "./kept.js";

const COMMANDS = "uscnhm";
const KEYS = [..."1234567890", ..."qwertyuiopfghjklzxcvbnm"].filter((key) => !COMMANDS.includes(key));
const chosen = new Set();
let standing = null;
const parents = new Map(config.classes.map((one) => [one.name, one.parent]));
const classButtons = () => [...document.querySelectorAll("[data-label]")];
const written = $("written"), score = $("score"), slider = $("slider"), searched = $("search");
// On a touch screen a field in focus would bring the keyboard up over the item.
const typing = matchMedia("(pointer: fine)").matches;
let answered = () => {};

export function whenAnswered(then) {
  answered = then;
  config.classes.forEach(addClass);
  document.querySelectorAll("[data-preferred]").forEach((button) => {
    button.addEventListener("click", () => answered({ preferred: button.dataset.preferred }));
  });
  if (searched) searched.addEventListener("input", search);
  if (slider) slider.addEventListener("input", () => { score.value = slider.value; });
  if (score) score.addEventListener("input", () => { slider.value = score.value; });
  if ($("confirm")) $("confirm").addEventListener("click", confirm);
}

function addClass({ name, description, parent }, place) {
  const button = document.createElement("button"), label = document.createElement("span");
  button.type = "button";
  button.dataset.label = name;
  if (place < KEYS.length) {
    const key = document.createElement("kbd");
    button.dataset.key = key.textContent = KEYS[place];
    button.append(key);
  }
  if (parent) {
    const above = document.createElement("span");
    above.className = "above";
    above.textContent = `${parent}/`;
    label.append(above);
  }
  label.append(parent ? name.slice(parent.length + 1) : name);
  label.dir = "auto";
  if (description) button.title = description;
  button.append(label);
  button.addEventListener("click", (event) => {
    // Who goes through the classes by keyboard stays where they are.
    if (event.detail || config.kind === "label") button.blur();
    choose(name);
  });
  $("labels").append(button);
}

// A new item: nothing is chosen, or what was answered about it before.
export function begin(item) {
  const before = (item.said && item.said.answer) || {};
  const suggested = (item.suggestion && item.suggestion.answer) || {};
  const hinted = suggested.labels || [suggested.label];
  standing = item.doubted ? item.doubted.label : null;
  if (config.review) { $("confirm").hidden = standing === null; $("standing").textContent = standing; }
  chosen.clear();
  (before.labels || [before.label]).forEach((label) => label && chosen.add(label));
  for (const button of classButtons()) {
    button.classList.toggle("suggested", hinted.includes(button.dataset.label));
    button.classList.toggle("standing", standing === button.dataset.label);
  }
  mark();
  if (searched && searched.value) { searched.value = ""; search(); }
  if (written) { written.value = before.text || ""; if (typing) written.focus(); }
  if (score) {
    score.value = before.score === undefined ? "" : before.score;
    slider.value = before.score === undefined ? config.range[0] : before.score;
    if (typing) score.focus();
  }
}

function mark() {
  for (const button of classButtons()) button.setAttribute("aria-pressed", String(chosen.has(button.dataset.label)));
}

function choose(label) {
  if (config.kind === "label") return answered({ label });
  if (!chosen.has(label)) for (let name = label; name; name = parents.get(name)) chosen.add(name);
  else for (const name of [...chosen]) if (isKindOf(name, label)) chosen.delete(name);
  mark();
}

// Where names are paths, a class brings all that it is a kind of, and takes its kinds away with it.
function isKindOf(name, other) {
  while (name && name !== other) name = parents.get(name);
  return Boolean(name);
}

// What is looked at again keeps its label.
export function confirm() {
  if (config.review) {
    if (standing !== null) answered({ label: standing });
  } else if (config.kind === "labels") {
    answered({ labels: config.classes.map((c) => c.name).filter((name) => chosen.has(name)) });
  } else if (config.kind === "text" && written.value.trim()) {
    answered({ text: written.value });
  } else if (config.kind === "score" && score.value !== "" && score.reportValidity()) {
    answered({ score: Number(score.value) });
  }
}

// Classes that begin with what is wanted come first, then those that hold it in the name, then in the description.
function search() {
  const wanted = searched.value.trim().toLowerCase();
  const rank = (button) => {
    const name = button.dataset.label.toLowerCase();
    return name.startsWith(wanted) ? 0 : name.includes(wanted) ? 1 : button.title.toLowerCase().includes(wanted) ? 2 : 3;
  };
  const buttons = classButtons();
  const best = Math.min(...buttons.map(rank));
  for (const button of buttons) {
    button.hidden = rank(button) === 3;
    button.classList.remove("first");
  }
  const first = wanted && best < 3 ? buttons.find((button) => rank(button) === best) : null;
  if (first) first.classList.add("first");
  $("found").textContent = wanted ? `${buttons.filter((button) => !button.hidden).length} found` : "";
  return first;
}

// Keys in the field that finds a class: Enter takes the first that was found, or answers when
// nothing is looked for; the arrow goes to the list.
export function searchKey(event) {
  if (event.key === "Enter") {
    const found = search();
    if (!searched.value) confirm();
    searched.value = "";
    search();
    if (config.kind === "label") searched.blur();
    if (found) choose(found.dataset.label);
  } else if (event.key === "Escape") {
    searched.value = "";
    search();
    searched.blur();
  } else if (event.key === "ArrowDown") {
    const shown = classButtons().find((button) => !button.hidden);
    if (shown) shown.focus();
  } else return;
  event.preventDefault();
}

// Arrows go through the classes, or choose one of two texts.
export function arrow(key) {
  const preferred = document.querySelector(`[data-arrow="${key}"]`);
  if (preferred) return preferred.click();
  const step = key === "ArrowDown" || key === "ArrowRight" ? 1 : -1;
  const shown = classButtons().filter((button) => !button.hidden);
  const at = shown.indexOf(document.activeElement);
  const next = shown[at < 0 ? (step > 0 ? 0 : shown.length - 1) : (at + step + shown.length) % shown.length];
  if (next) next.focus();
}
