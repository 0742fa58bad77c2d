// The welcome page: does harm to the server, and shows that nothing else of it suffers.

const find = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const number = new Intl.NumberFormat("en").format;

// -- what happened -----------------------------------------------------------------------------------------------------

function tell(text) {
  const item = document.createElement("li");
  item.textContent = `${new Date().toLocaleTimeString()}  ${text}`;
  find("log").prepend(item);
  while (find("log").children.length > 6) find("log").lastChild.remove();
}

// -- the workers -------------------------------------------------------------------------------------------------------

let known = new Map(); // by "generation worker": the process that was there when we last looked

function workerRow(worker) {
  const key = `${worker.generation} ${worker.worker}`;
  const doing = worker.request ?? worker.last_death ?? worker.phase ?? "";
  const row = document.createElement("tr");
  for (const text of [worker.worker, worker.pid ?? "-", worker.state, number(worker.requests), worker.restarts, doing]) {
    row.insertCell().textContent = text;
  }
  row.dataset.state = worker.state;
  row.classList.toggle("new", known.size > 0 && known.get(key) !== worker.pid);
  return row;
}

async function showWorkers() {
  const response = await fetch("/status", { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!response.ok) return false;
  const { server, totals, workers } = await response.json();
  find("workers").replaceChildren(...workers.map(workerRow));
  known = new Map(workers.map((worker) => [`${worker.generation} ${worker.worker}`, worker.pid]));
  find("restarts").textContent = number(totals.restarts);
  find("generation").textContent = server.generation;
  return true;
}

// -- a client that does nothing wrong ----------------------------------------------------------------------------------

const pings = { sent: 0, failed: 0, slowestMs: 0 };

async function ping() {
  const start = performance.now();
  try {
    const response = await fetch("/hello", { cache: "no-store" });
    await response.text();
    if (!response.ok) pings.failed += 1;
  } catch {
    pings.failed += 1;
  }
  pings.sent += 1;
  pings.slowestMs = Math.max(pings.slowestMs, performance.now() - start);
  find("pings").textContent = number(pings.sent);
  find("failed").textContent = number(pings.failed);
  find("failed").classList.toggle("bad", pings.failed > 0);
  find("slowest").textContent = `${Math.round(pings.slowestMs)} ms`;
}

// -- the download ------------------------------------------------------------------------------------------------------

const mebibyte = 1024 * 1024;
const bytesPerSecond = 3 * mebibyte;

// How many bytes from `offset` on are not what chaos.cpp writes there.
function wrongBytes(bytes, offset) {
  let wrong = 0;
  for (let i = 0; i < bytes.length; ++i) {
    const at = offset + i;
    if (bytes[i] !== ((Math.imul(at >>> 2, 2654435761) >>> (8 * (at & 3))) & 255)) wrong += 1;
  }
  return wrong;
}

async function download() {
  const response = await fetch("/chaos/download?mib=64", { cache: "no-store" });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const total = Number(response.headers.get("Content-Length"));
  const reader = response.body.getReader();
  const start = performance.now();
  let received = 0;
  let wrong = 0;
  find("progress").max = total;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    wrong += wrongBytes(value, received);
    received += value.length;
    find("progress").value = received;
    find("downloaded").textContent =
      `${(received / mebibyte).toFixed(1)} of ${(total / mebibyte).toFixed(0)} MiB, ${number(wrong)} bytes wrong`;
    await pause(start + (received / bytesPerSecond) * 1000 - performance.now());
  }
  const verdict = received === total && wrong === 0 ? "complete, every byte as it must be" : "not what it must be";
  find("downloaded").textContent = `${number(received)} of ${number(total)} bytes: ${verdict}.`;
  tell(`the download is ${verdict}`);
}

async function onDownload() {
  find("download").disabled = true;
  tell("the download begins");
  try {
    await download();
  } catch (error) {
    find("downloaded").textContent = `Broken off: ${error.message}`;
    tell(`the download has broken off: ${error.message}`);
  }
  find("download").disabled = false;
}

// -- harm --------------------------------------------------------------------------------------------------------------

async function harm(path, method) {
  try {
    const response = await fetch(`/chaos/${path}`, { method, cache: "no-store" });
    await response.text();
    return `${response.status} ${response.statusText}`;
  } catch (error) {
    return error.message;
  }
}

async function onHarm(button) {
  const { path, method = "GET", times = "1" } = button.dataset;
  const answers = new Map();
  for (let i = 0; i < Number(times); ++i) {
    const answer = await harm(path, method);
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  const text = [...answers].map(([answer, count]) => (count === 1 ? answer : `${count} times ${answer}`)).join(", ");
  tell(`${method} /chaos/${path}: ${text}`);
}

// -- the page ----------------------------------------------------------------------------------------------------------

async function keepDoing(what, everyMs) {
  for (;;) {
    const start = performance.now();
    if (!document.hidden) await what().catch(() => {}); // a server that is being restarted is told by the pings
    await pause(Math.max(0, start + everyMs - performance.now()));
  }
}

async function main() {
  const available = (await harm("good", "GET")).startsWith("200");
  for (const button of document.querySelectorAll("button")) button.disabled = !available;
  if (!available) {
    find("unavailable").textContent =
      "The route /chaos/ does not answer: this server's configuration has no such route, or it is not for you.";
    find("unavailable").hidden = false;
  }
  find("download").addEventListener("click", onDownload);
  for (const button of find("harm").children) button.addEventListener("click", () => onHarm(button));
  keepDoing(ping, 100);
  keepDoing(showWorkers, 500);
}

main();
