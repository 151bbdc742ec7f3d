// The explanation of a mistake in the search waits while somebody types: a qualifier without its value is no mistake yet.

const PAUSE = 1000; // milliseconds without a key
const AGAIN = 200; // milliseconds between looks at completions that are still open

let timer = 0;

const form = () => document.getElementById("filters");
const isCompleting = () => Boolean(document.querySelector("#offers:not([hidden])"));

export function holdMistake() {
  form().dataset.typing = "";
  wait(PAUSE);
}

function wait(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(() => (isCompleting() ? wait(AGAIN) : showMistake()), milliseconds);
}

export function showMistake() {
  clearTimeout(timer);
  if (!form()?.hasAttribute("data-typing")) return;
  form().removeAttribute("data-typing");
  const mistake = document.getElementById("mistake");
  mistake.replaceChildren(...mistake.childNodes); // so that it is read out now
}

export function startMistake() {
  document.addEventListener("focusout", ({ target }) => {
    if (target.id === "q") showMistake();
  });
}
