"use strict";
document.documentElement.classList.add("scripted");
// Where the server needs none, there is none. A tab's own storage: other tabs and later visits do not see it.
const KEPT = "shipway-key";
const keyHeaders = () => {
  const key = sessionStorage.getItem(KEPT);
  return key ? { Authorization: `Bearer ${key}` } : {};
};
// As the recorded answer beside it is written: a space after each comma and colon.
const spaced = (value) => JSON.stringify(value, null, 1).replace(/([[{])\n\s*/g, "$1").replace(/\n\s*([\]}])/g, "$1").replace(/,\n\s*/g, ", ");
const say = (status, tone, text) => {
  status.className = `status ${tone}`;
  status.textContent = text;
};

function prepare(main) {
  for (const shown of main.querySelectorAll("details pre")) {
    shown.textContent = shown.textContent
      .replace("http://HOST:PORT", location.origin)
      .replace("HOST:PORT", location.host);
  }
  for (const link of main.querySelectorAll("a.keyed")) link.addEventListener("click", openWithKey);
  for (const form of main.querySelectorAll("form.asking")) form.addEventListener("submit", ask);
}

async function ask(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const button = form.querySelector("button");
  const status = form.querySelector(".status");
  const shown = form.querySelector(".answer");
  button.disabled = true;
  say(status, "muted", "Asking…");
  const headers = { "Content-Type": "application/json", ...keyHeaders() };
  const start = performance.now();
  try {
    const answer = await fetch(form.dataset.path, { method: "POST", headers, body: form.querySelector("textarea").value });
    const text = await answer.text();
    const took = performance.now() - start;
    say(status, answer.ok ? "pass" : "fail", `${answer.status} ${answer.statusText}, ${took.toFixed(1)} ms`);
    try {
      shown.textContent = spaced(JSON.parse(text));
    } catch {
      shown.textContent = text;
    }
  } catch (error) {
    say(status, "fail", `No answer: ${error.message}`);
  }
  button.disabled = false;
}

// A link carries no key; what it leads to is fetched with it and saved as a file.
async function openWithKey(event) {
  event.preventDefault();
  const link = event.currentTarget;
  const answer = await fetch(link.href, { headers: keyHeaders() });
  const saved = document.createElement("a");
  saved.href = URL.createObjectURL(await answer.blob());
  saved.download = link.textContent;
  saved.click();
  URL.revokeObjectURL(saved.href);
}

async function unlock(form) {
  const status = form.querySelector(".status");
  say(status, "muted", "Asking…");
  try {
    const answer = await fetch("/docs", { headers: keyHeaders() });
    const text = await answer.text();
    if (!answer.ok) {
      sessionStorage.removeItem(KEPT);
      say(status, "fail", JSON.parse(text).error);
      return;
    }
    const main = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    const forget = document.createElement("button");
    forget.className = "forget";
    forget.textContent = "Forget the key";
    forget.addEventListener("click", () => {
      sessionStorage.removeItem(KEPT);
      location.reload();
    });
    main.querySelector(".lead").after(forget);
    document.querySelector("main").replaceWith(main);
    prepare(main);
  } catch (error) {
    say(status, "fail", `No answer: ${error.message}`);
  }
}

const locked = document.querySelector("#unlock");
if (locked) {
  locked.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEPT, locked.querySelector("#key").value.trim());
    unlock(locked);
  });
  if (sessionStorage.getItem(KEPT)) unlock(locked);
} else {
  prepare(document.querySelector("main"));
}
