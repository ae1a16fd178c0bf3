"use strict";
document.documentElement.classList.add("scripted");
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
        shown.textContent = JSON.stringify(JSON.parse(text));
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
