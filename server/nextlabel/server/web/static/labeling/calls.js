// Talking to the server.
import { $, config } from "./kept.js";

const base = `/api/projects/${encodeURIComponent(config.project)}`;

async function reply(response) {
  const said = await response.json().catch(() => ({ message: `the server answered ${response.status}` }));
  if (!response.ok) throw Object.assign(new Error(said.message), { status: response.status });
  return said;
}

export async function post(path, body) {
  const headers = { "content-type": "application/json" };
  return reply(await fetch(`${base}/${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

export async function get(path) {
  return reply(await fetch(`${base}/${path}`));
}

export const mayPass = (error) => error.status === undefined || error.status >= 500;

export function connected(error) {
  $("connection").hidden = !error;
  if (error) $("connection").textContent = `No connection: answers are kept here and go out later. (${error.message})`;
}

export function trouble(message) {
  $("trouble").hidden = !message;
  $("trouble").textContent = message || "";
}
