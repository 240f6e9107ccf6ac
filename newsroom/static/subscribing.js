// Keeps the estimate, and the list of topics with a frequency of their own, up to date while somebody chooses.
// Without it, the form's second button and the next page do the same.

const form = document.querySelector("[data-estimate]");
const expected = document.getElementById("expected");
const list = document.getElementById("own");
const count = document.getElementById("count");
const MILLISECONDS_OF_CALM = 350; // Several ticks in a row are one question, and are read aloud once.

let timer = 0;
let asking = null;

function showOwn() {
  const own = form.elements.frequency.value === "own";
  let some = false;
  for (const row of list.querySelectorAll("[data-own]")) {
    const on = own && document.getElementById(`topic-${row.dataset.own}`).checked;
    row.hidden = !on;
    row.querySelector("select").disabled = !on;
    some ||= on;
  }
  list.hidden = !some;
}

// The address never leaves with the question.
function choices() {
  return new URLSearchParams([...new FormData(form)].filter(([name]) => name === "topics" || name.startsWith("frequency")));
}

async function ask() {
  asking?.abort();
  asking = new AbortController();
  try {
    const answer = await fetch(`${form.dataset.estimate}?${choices()}`, { signal: asking.signal });
    if (!answer.ok) throw new Error(answer.statusText);
    const { says, each } = await answer.json();
    say(expected, says);
    for (const place of form.querySelectorAll("[data-each]")) say(place, each[place.dataset.each]);
    count.hidden = true;
  } catch (error) {
    if (error.name !== "AbortError") count.hidden = false;
  }
}

function say(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

function follow(calm) {
  showOwn();
  clearTimeout(timer);
  timer = setTimeout(ask, calm);
}

form.addEventListener("change", (event) => {
  if (event.target.name !== "email") follow(MILLISECONDS_OF_CALM);
});
count.hidden = true;
addEventListener("pageshow", () => follow(0)); // A browser that goes back fills the fields in by itself.
