"use strict";
document.documentElement.classList.add("scripted");
for (const shown of document.querySelectorAll("details pre")) {
  shown.textContent = shown.textContent
    .replace("http://HOST:PORT", location.origin)
    .replace("HOST:PORT", location.host);
}
// As the recorded answer beside it is written: a space after each comma and colon.
const spaced = (value) => JSON.stringify(value, null, 1).replace(/([[{])\n\s*/g, "$1").replace(/\n\s*([\]}])/g, "$1").replace(/,\n\s*/g, ", ");
const key = document.querySelector("#key");
for (const form of document.querySelectorAll("form")) {
  const box = form.querySelector("textarea");
  const button = form.querySelector("button");
  const status = form.querySelector(".status");
  const shown = form.querySelector(".answer");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    status.className = "status muted";
    status.textContent = "Asking…";
    const headers = { "Content-Type": "application/json" };
    if (key && key.value) headers["X-Api-Key"] = key.value;
    const start = performance.now();
    try {
      const answer = await fetch(form.dataset.path, { method: "POST", headers, body: box.value });
      const text = await answer.text();
      const took = performance.now() - start;
      status.textContent = `${answer.status} ${answer.statusText}, ${took.toFixed(1)} ms`;
      status.className = `status ${answer.ok ? "pass" : "fail"}`;
      try {
        shown.textContent = spaced(JSON.parse(text));
      } catch {
        shown.textContent = text;
      }
    } catch (error) {
      status.textContent = `No answer: ${error.message}`;
      status.className = "status fail";
    }
    button.disabled = false;
  });
}
