// Where pictures come from: a file that is chosen, dropped or pasted, the camera, or the sample.
import { html, useEffect, useRef, useState } from "./html.js";
import { ServiceError } from "./api.js";

const wanted = (items) => [...(items ?? [])].find((file) => /^(video|image)\//.test(file.type)) ?? items?.[0];

async function sample() {
  const answer = await fetch("/web/sample.mp4").catch(() => null);
  if (!answer?.ok) throw new ServiceError("GONE", "no answer");
  return new File([await answer.blob()], "sample.mp4", { type: "video/mp4" });
}

export function Sources({ onFile, onCamera, onError, cameraHint, live, onStop }) {
  const input = useRef(null);
  const [over, setOver] = useState(false);
  const latest = useRef(onFile);
  latest.current = onFile;

  useEffect(() => {
    const stop = new AbortController();
    const listen = (name, act) => window.addEventListener(name, act, { signal: stop.signal });
    listen("dragover", (event) => {
      event.preventDefault();
      setOver(true);
    });
    listen("dragleave", (event) => event.relatedTarget || setOver(false));
    listen("drop", (event) => {
      event.preventDefault();
      setOver(false);
      const file = wanted(event.dataTransfer.files);
      if (file) latest.current(file);
    });
    listen("paste", (event) => {
      const file = wanted(event.clipboardData?.files);
      if (file) latest.current(file);
    });
    return () => stop.abort();
  }, []);

  const chosen = () => {
    const [file] = input.current.files;
    input.current.value = "";
    if (file) onFile(file);
  };
  const takeSample = () => sample().then(onFile, onError);

  return html`
    <section class="sources" aria-label="Pictures">
      <button class="primary" onClick=${() => input.current.click()}>Choose a clip or picture</button>
      <input ref=${input} class="unseen" type="file" accept="video/*,image/*" tabindex="-1" aria-label="Clip or picture" onChange=${chosen} />
      <button onClick=${takeSample}>Take the sample</button>
      ${live ? html`<button onClick=${onStop}>Stop the camera</button>` : html`<button onClick=${onCamera}>Use the camera</button>`}
      <p class="hint">${cameraHint || "Or drop a file anywhere, or paste a picture."}</p>
      ${over && html`<div class="drop" aria-hidden="true">Drop it here</div>`}
    </section>`;
}
