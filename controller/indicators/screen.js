// Asks for one picture after the other. A gate that is gone must not leave "pass" standing on a screen: where no answer
// comes in time, the page says that the gate is closed.
"use strict";
const picture = document.getElementById("picture");
const lost = document.getElementById("lost");
const PATIENCE = 3000;  // milliseconds; the gate answers within one second, with a picture or "not modified"
let known = "";
let shown = "";

async function next() {
  const headers = known ? { "If-None-Match": known } : {};
  const answer = await fetch("/picture", { cache: "no-store", headers, signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const url = URL.createObjectURL(await answer.blob());
  picture.src = url;
  await picture.decode();
  if (shown) URL.revokeObjectURL(shown);
  shown = url;
  known = answer.headers.get("ETag");
}

async function run() {
  for (;;) {
    try {
      await next();
      lost.hidden = true;
    } catch {
      lost.hidden = false;
      known = "";
      await new Promise(resolve => setTimeout(resolve, 500));
    }
  }
}

run();
