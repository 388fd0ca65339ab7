// Labeling: items come ahead of time, answers go out behind, and neither is lost by a reload or a dead connection.
import { $, config, drop, everything, keep } from "./kept.js";
import { connected, get, mayPass, post, trouble } from "./calls.js";
import { countWaiting, put, send } from "./outbox.js";
import { arrow, begin, confirm, searchKey, whenAnswered } from "./answering.js";
import { showItem } from "./card.js";
import { showDoubts } from "./doubts.js";

const state = { queue: [], current: null, history: [], asking: false, empty: false, done: 0, halfSure: false, counted: -1, paints: [] };

// ---------------------------------------------------------------- items

const nothing = $("reason").textContent;
let leaseId = crypto.randomUUID();
async function fetchItems() {
  if (state.asking || state.queue.length > config.prefetch / 2) return;
  state.asking = true;
  try {
    const given = await post("lease", { request_id: leaseId, annotator: config.annotator, review: config.review, unlabeled: config.unlabeled, audit: config.audit });
    leaseId = crypto.randomUUID();
    connected(null);
    state.empty = given.items.length === 0 && !given.awaiting_embedding;
    $("reason").textContent = given.message || nothing;
    if (!given.items.length && given.awaiting_embedding) {
      $("waiting").textContent = `${given.awaiting_embedding.toLocaleString("en")} texts are being prepared; the first ones come up by themselves.`;
    }
    const known = new Set([...state.queue, state.current, ...state.history].filter(Boolean).map((item) => item.id));
    for (const item of given.items) {
      if (known.has(item.id)) continue;
      const leased = { ...item, lease_id: given.lease_id, expires_at: given.expires_at, review: config.review, audit: config.audit };
      await keep("items", leased);
      state.queue.push(leased);
    }
    trouble("");
  } catch (error) {
    if (mayPass(error)) connected(error);
    else { leaseId = crypto.randomUUID(); state.empty = true; trouble(error.message); }
  } finally {
    state.asking = false;
  }
  if (state.current) return;
  // Without items it is asked again by the clock, not at once.
  if (state.queue.length) next();
  else show();
}

// Counting takes the server longer than an answer does: it is asked every few seconds at most.
async function progress() {
  if (!config.progress || state.counted === state.history.length) return;
  state.counted = state.history.length;
  const { labeled, pool } = await get("progress").catch(() => ({ pool: 0 }));
  if (!pool) return;
  $("progress").max = pool;
  $("progress").value = labeled;
  $("labeled").textContent = `${labeled.toLocaleString("en")} of ${pool.toLocaleString("en")} labeled in all`;
  $("far").hidden = false;
}

function next() {
  state.current = state.queue.shift() || null;
  show();
  fetchItems();
}

function show() {
  const item = state.current;
  $("card").hidden = !item;
  $("nothing").hidden = Boolean(item) || !state.empty;
  $("waiting").hidden = Boolean(item) || state.empty;
  $("done").textContent = state.done;
  if (!item) return;
  showItem(item);
  if (config.review) showDoubts(item.doubted);
  $("comment").value = (item.said && item.said.comment) || "";
  beSure(Boolean(item.said && item.said.confidence));
  begin(item);
}

// ---------------------------------------------------------------- answers

function beSure(half) {
  state.halfSure = half;
  $("unsure").setAttribute("aria-pressed", String(half));
}

function answer(value) {
  const said = { answer: value };
  const comment = $("comment").value.trim();
  if (comment) said.comment = comment;
  if (state.halfSure) said.confidence = 0.5;
  leave(said);
}

// Passed on to others: it does not come back to whoever skips it.
const skip = () => leave({ skip: true });

function leave(said) {
  const item = state.current;
  if (!item) return;
  const pressed = performance.now();
  state.history.push({ ...item, said });
  if (!said.skip) state.done += 1;
  // What is corrected has left its lease; what was passed on belongs to it still.
  put({ item_id: item.id, lease_id: item.said && !item.said.skip ? "" : item.lease_id, said });
  next();
  requestAnimationFrame(() => setTimeout(() => state.paints.push(performance.now() - pressed)));
}

// The item comes back; the answer that is given now stands, the one before stays on record.
function undo() {
  const item = state.history.pop();
  if (!item) return;
  if (state.current) state.queue.unshift(state.current);
  state.current = item;
  if (!item.said.skip) state.done -= 1;
  show();
}

// ---------------------------------------------------------------- keys

const COMMANDS = {
  Backspace: undo, u: undo, s: skip, " ": skip, n: () => beSure(!state.halfSure), c: () => $("comment").focus(),
  m: () => $("mix") && $("mix").click(),
  "/": () => $("search") && $("search").focus(),
  h: () => { $("help").open = !$("help").open; }, "?": () => { $("help").open = !$("help").open; },
};
const TYPED = "textarea, input[type=search], input[type=text]";
const NUMBER_KEYS = ["Backspace", " ", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight"];

function pressed(event) {
  const typing = event.target.matches(TYPED), number = event.target.matches("input[type=number], input[type=range]");
  if (event.target.id === "search") return searchKey(event);
  if (event.key === "Escape" && (typing || number)) return event.target.blur();
  const enter = event.key === "Enter";
  if (enter && (event.ctrlKey || event.metaKey)) { confirm(); return event.preventDefault(); }
  // What is in focus has its own keys first.
  if ((enter || event.key === " ") && event.target.closest("button, summary, a")) return;
  if (enter && event.target.id === "comment") { event.target.blur(); return event.preventDefault(); }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (enter) { confirm(); return event.preventDefault(); }
  if (number && NUMBER_KEYS.includes(event.key)) return;
  const button = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button && !button.hidden) button.click();
  else if (event.key.startsWith("Arrow")) arrow(event.key);
  else if (COMMANDS[event.key]) COMMANDS[event.key]();
  else return;
  event.preventDefault();
}

async function start() {
  whenAnswered(answer);
  document.addEventListener("keydown", pressed);
  $("undo").addEventListener("click", undo);
  $("skip").addEventListener("click", skip);
  $("unsure").addEventListener("click", () => beSure(!state.halfSure));
  $("again").addEventListener("click", fetchItems);
  window.addEventListener("online", () => { send(); fetchItems(); });
  setInterval(() => { send(); progress(); if (!state.current || !$("connection").hidden) fetchItems(); }, 2000);
  const answered = new Set((await everything("outbox")).map((entry) => entry.item_id));
  for (const item of await everything("items")) {
    if (answered.has(item.id) || item.expires_at < Date.now()) await drop("items", item.id);
    else if (Boolean(item.review) === config.review && Boolean(item.audit) === config.audit && (item.doubted || !config.review || config.unlabeled)) state.queue.push(item);
  }
  countWaiting();
  next();
  send();
  progress();
  if ("serviceWorker" in navigator) keepPage().catch(() => {});
}

// The first visit came before the worker: what it loaded passes through the worker once more, to be kept.
async function keepPage() {
  const workers = navigator.serviceWorker;
  const taken = new Promise((resolve) => workers.addEventListener("controllerchange", resolve, { once: true }));
  await workers.register("/worker.js");
  if (workers.controller) return;
  await taken;
  const parts = performance.getEntriesByType("resource").map((entry) => entry.name);
  const kept = [location.href, ...parts.filter((url) => new URL(url).pathname.startsWith("/static/"))];
  await Promise.all(kept.map(async (url) => (await fetch(url)).blob()));
}

window.labeling = state;
start().catch((error) => trouble(`this page cannot keep answers in this browser: ${error.message}`));
