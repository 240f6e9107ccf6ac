// Keeps a mailing's page up to date. Without it the page is read again by its link.

const page = document.querySelector("[data-progress]");
const shown = document.getElementById("progress");
const spoken = document.getElementById("spoken");
const reload = document.querySelector(".reload");
const SECONDS_BETWEEN_READINGS = 10;

let phase = page.dataset.phase;
let troubles = Number(page.dataset.troubles);
let readAt = Date.now();
let source = null;

function watch() {
  if (source || document.hidden) return;
  source = new EventSource(page.dataset.progress);
  source.onmessage = (event) => {
    reload.hidden = true;
    update(JSON.parse(event.data));
  };
  source.onerror = () => {
    // Every event ends its answer, and the browser comes back by itself; closed for good means logged out or gone.
    if (source && source.readyState === EventSource.CLOSED) {
      stop();
      reload.hidden = false;
    }
  };
}

function stop() {
  source?.close();
  source = null;
}

function update(now) {
  shown.innerHTML = now.html;
  const moved = now.phase !== phase;
  if (moved) spoken.textContent = now.says; // Numbers aren't read aloud; a new state is.
  if (moved || (now.troubles !== troubles && Date.now() - readAt > SECONDS_BETWEEN_READINGS * 1000)) {
    phase = now.phase;
    troubles = now.troubles;
    readAt = Date.now();
    readAgain().then(awaitCertificate);
  }
  if (["done", "cancelled"].includes(now.phase)) stop();
}

// The certificate comes a moment after the last letter; until then the page says so.
function awaitCertificate() {
  if (document.querySelector("[data-awaiting]")) setTimeout(() => readAgain().then(awaitCertificate), 1000);
}

// Take what depends on the state from the page as it is now: the buttons, the reasons, what has happened.
async function readAgain() {
  const answer = await fetch(location.href);
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.innerHTML === part.innerHTML) continue;
    const held = part.contains(document.activeElement) ? document.activeElement : null;
    part.replaceChildren(...other.childNodes);
    if (!held) continue;
    const key = held.dataset.key;
    (key && part.querySelector(`[data-key="${key}"]`) || part).focus();
  }
}

document.addEventListener("visibilitychange", () => (document.hidden ? stop() : watch()));
if (document.querySelector("[data-awaiting]")) awaitCertificate();
else watch();
