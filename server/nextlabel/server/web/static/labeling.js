// Labeling: items come ahead of time, answers go out behind, and neither is lost by a reload or a dead connection.
// The queue of items and the outbox of answers live in IndexedDB; every call has an id, so that a repeated one counts once.
"use strict";

const config = JSON.parse(document.getElementById("config").textContent);
const base = `/api/projects/${encodeURIComponent(config.project)}`;
const $ = (id) => document.getElementById(id);
const LETTERS = "qwertyuiopfghjklzxcvbnm";
const KEYS = [..."1234567890", ...LETTERS].filter((key) => !"uscnh".includes(key));

const state = { queue: [], current: null, history: [], chosen: new Set(), asking: false, sending: false, empty: false,
  shownAt: 0, offline: false, done: 0, pending: 0, counting: 0, paints: [] };

// ---------------------------------------------------------------- what survives a reload

const database = new Promise((resolve, reject) => {
  const opening = indexedDB.open(`nextlabel/${config.project}/${config.annotator}`, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("items", { keyPath: "id" });
    opening.result.createObjectStore("outbox", { keyPath: "key", autoIncrement: true });
  };
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});

async function stored(name, mode, work) {
  const transaction = (await database).transaction(name, mode, { durability: "strict" });
  const request = work(transaction.objectStore(name));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request && request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

const everything = (name) => stored(name, "readonly", (store) => store.getAll());
const keep = (name, value) => stored(name, "readwrite", (store) => store.put(value));
const drop = (name, key) => stored(name, "readwrite", (store) => store.delete(key));

// ---------------------------------------------------------------- talking to the server

async function post(path, body) {
  const response = await fetch(`${base}/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const reply = await response.json().catch(() => ({ message: `the server answered ${response.status}` }));
  if (!response.ok) throw Object.assign(new Error(reply.message), { status: response.status });
  return reply;
}

const mayPass = (error) => error.status === undefined || error.status >= 500;

function connected(error) {
  state.offline = Boolean(error);
  $("connection").hidden = !error;
  if (error) $("connection").textContent = `No connection: answers are kept here and go out later. (${error.message})`;
}

function trouble(message) {
  $("trouble").hidden = !message;
  $("trouble").textContent = message || "";
}

let leaseId = crypto.randomUUID();
async function fetchItems() {
  if (state.asking || state.queue.length > config.prefetch / 2) return;
  state.asking = true;
  try {
    const given = await post("lease", { request_id: leaseId, annotator: config.annotator });
    leaseId = crypto.randomUUID();
    connected(null);
    state.empty = given.items.length === 0;
    const known = new Set([...state.queue, state.current, ...state.history].filter(Boolean).map((item) => item.id));
    for (const item of given.items) {
      if (known.has(item.id)) continue;
      const leased = { ...item, lease_id: given.lease_id, expires_at: given.expires_at };
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
  if (!state.current) next();
}

async function sendAnswers() {
  if (state.sending) return;
  state.sending = true;
  try {
    for (;;) {
      const waiting = await everything("outbox");
      if (!waiting.length) break;
      // What was once sent together goes again as it was: the same id, the same answers.
      const batch = waiting[0].request_id
        ? waiting.filter((entry) => entry.request_id === waiting[0].request_id)
        : await together(waiting);
      const reply = await post("submit", {
        request_id: batch[0].request_id,
        annotator: config.annotator,
        lease_id: batch[0].lease_id,
        answers: batch.map(({ item_id, answer, comment, skip }) => (skip ? { item_id, skip } : { item_id, answer, comment })),
      });
      connected(null);
      const refused = reply.results.filter((result) => !result.taken);
      if (refused.length) trouble(`${refused.length} not taken: ${refused[0].message}`);
      for (const entry of batch) await drop("outbox", entry.key);
    }
  } catch (error) {
    if (mayPass(error)) connected(error);
    else { trouble(error.message); await setAside(); }
  } finally {
    state.sending = false;
    counts();
  }
}

async function together(waiting) {
  const fresh = waiting.filter((entry) => !entry.request_id && entry.lease_id === waiting[0].lease_id).slice(0, 100);
  const request_id = crypto.randomUUID();
  for (const entry of fresh) { entry.request_id = request_id; await keep("outbox", entry); }
  return fresh;
}

// A lease that the server does not know any more: the answers stand without it.
async function setAside() {
  for (const entry of await everything("outbox")) {
    if (entry.lease_id) await keep("outbox", { ...entry, lease_id: "", request_id: "" });
    else await drop("outbox", entry.key);
  }
}

// ---------------------------------------------------------------- what is on the page

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
  state.chosen = new Set();
  if (!item) return;
  $("text").textContent = item.text;
  $("pair").hidden = !item.pair;
  if (item.pair) { $("pair-a").textContent = item.pair[0]; $("pair-b").textContent = item.pair[1]; }
  const metadata = $("metadata");
  metadata.replaceChildren();
  for (const [key, value] of Object.entries(item.metadata)) {
    const name = document.createElement("dt"), detail = document.createElement("dd");
    name.textContent = key;
    detail.textContent = typeof value === "object" ? JSON.stringify(value) : String(value);
    metadata.append(name, detail);
  }
  const suggestion = item.suggestion && Object.values(item.suggestion.answer)[0];
  $("suggestion").hidden = suggestion === undefined || suggestion === null;
  if (!$("suggestion").hidden) {
    const sure = item.suggestion.confidence === null ? "" : ` (${Math.round(100 * item.suggestion.confidence)} % sure)`;
    $("suggestion").textContent = `${item.suggestion.annotator} suggests: ${suggestion}${sure}`;
  }
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", "false");
    button.classList.toggle("suggested", button.dataset.label === suggestion);
  }
  if ($("written")) $("written").value = "";
  if ($("comment")) $("comment").value = "";
  state.shownAt = performance.now();
}

// What is pressed but not in the outbox yet is waiting too, and of two counts the one that began later is right.
function counts() {
  const turn = ++state.counting;
  $("done").textContent = state.done;
  everything("outbox").then((waiting) => {
    if (turn !== state.counting) return;
    const left = waiting.length + state.pending;
    $("kept").textContent = left ? `${left} waiting to be sent` : "all saved";
    $("kept").dataset.waiting = left;
  });
}

function answer(value) {
  leave({ answer: value, comment: $("comment").value.trim() });
}

// Passed on to others: it does not come back to whoever skips it.
function skip() {
  leave({ skip: true });
}

function leave(said) {
  const item = state.current;
  if (!item) return;
  const pressed = performance.now();
  // What is corrected has left its lease.
  const entry = { item_id: item.id, lease_id: item.corrected ? "" : item.lease_id, ...said };
  state.history.push(item);
  if (!said.skip) state.done += 1;
  state.pending += 1;
  state.counting += 1;
  $("kept").dataset.waiting = state.pending;
  const saved = keep("outbox", entry).then(() => drop("items", item.id));
  next();
  requestAnimationFrame(() => setTimeout(() => state.paints.push(performance.now() - pressed)));
  saved.catch((error) => trouble(`this browser could not keep the answer: ${error}`))
    .finally(() => { state.pending -= 1; counts(); sendAnswers(); });
}

// The item comes back; the answer that is given now stands, the one before stays on record.
async function undo() {
  const item = state.history.pop();
  if (!item) return;
  if (state.current) state.queue.unshift(state.current);
  state.current = { ...item, corrected: true };
  state.done = Math.max(0, state.done - 1);
  show();
  counts();
}

function choose(label) {
  if (config.kind === "label") return answer({ label });
  if (state.chosen.has(label)) state.chosen.delete(label); else state.chosen.add(label);
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", String(state.chosen.has(button.dataset.label)));
  }
}

function confirmed() {
  if (config.kind === "labels") {
    answer({ labels: config.classes.map((c) => c.name).filter((name) => state.chosen.has(name)) });
  } else if (config.kind === "text" && $("written").value.trim()) {
    answer({ text: $("written").value });
  } else if (config.kind === "score") {
    answer({ score: Number($("score").value) });
  }
}

function search() {
  const wanted = $("search").value.trim().toLowerCase();
  let first = null;
  for (const button of document.querySelectorAll("[data-label]")) {
    const found = button.dataset.label.toLowerCase().includes(wanted);
    button.hidden = !found;
    if (found && !first) first = button;
  }
  return wanted ? first : null;
}

const COMMANDS = { Backspace: undo, u: undo, s: skip, " ": skip };

function pressed(event) {
  const typing = event.target.matches("textarea, input[type=search], input[type=text]");
  if (event.target.id === "search") {
    if (event.key === "Enter") {
      const found = search();
      if (found) { choose(found.dataset.label); $("search").value = ""; search(); }
      event.preventDefault();
    } else if (event.key === "Escape") { $("search").value = ""; search(); $("search").blur(); }
    return;
  }
  if (event.key === "Escape" && typing) return event.target.blur();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey || !typing)) { confirmed(); return event.preventDefault(); }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const button = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button && !button.hidden) button.click();
  else if (event.key === "/") $("search") && $("search").focus();
  else if (event.key === "c") $("comment").focus();
  else if (event.key === "h" || event.key === "?") $("help").open = !$("help").open;
  else if (COMMANDS[event.key]) COMMANDS[event.key]();
  else return;
  event.preventDefault();
}

function buttons() {
  const list = $("labels");
  config.classes.forEach(({ name, description }, place) => {
    const button = document.createElement("button"), key = document.createElement("kbd"), label = document.createElement("span");
    button.type = "button";
    button.dataset.label = name;
    label.textContent = name;
    label.dir = "auto";
    if (place < KEYS.length) { button.dataset.key = KEYS[place]; key.textContent = KEYS[place]; button.append(key); }
    button.append(label);
    if (description) button.title = description;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => { button.blur(); choose(name); });
    list.append(button);
  });
}

async function start() {
  buttons();
  document.addEventListener("keydown", pressed);
  document.querySelectorAll("[data-preferred]").forEach((button) => {
    button.addEventListener("click", () => answer({ preferred: button.dataset.preferred }));
  });
  if ($("search")) $("search").addEventListener("input", search);
  if ($("confirm")) $("confirm").addEventListener("click", confirmed);
  if ($("score")) $("score").addEventListener("input", () => { $("score-shown").textContent = $("score").value; });
  $("undo").addEventListener("click", undo);
  $("skip").addEventListener("click", skip);
  $("again").addEventListener("click", fetchItems);
  window.addEventListener("online", () => { sendAnswers(); fetchItems(); });
  setInterval(() => { sendAnswers(); if (!state.current || state.offline) fetchItems(); }, 2000);
  const answered = new Set((await everything("outbox")).map((entry) => entry.item_id));
  for (const item of await everything("items")) {
    if (answered.has(item.id) || item.expires_at < Date.now()) await drop("items", item.id);
    else state.queue.push(item);
  }
  counts();
  next();
  sendAnswers();
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/worker.js");
}

window.labeling = state;
start().catch((error) => trouble(`this page cannot keep answers in this browser: ${error.message}`));
