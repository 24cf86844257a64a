// Buttons and choices around the picture: moving through frames, progress, what is drawn, downloads.
import { download, downloadOverlay, formatsOf } from "./downloads.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { recordingKind } from "./record.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const seconds = (value) => (value >= 90 ? `${Math.ceil(value / 60)} min` : `${Math.ceil(value)} s`);

export function Controls({ run, player }) {
  const [loop, setLoop] = useState(false);
  const [speed, setSpeed] = useState(1);
  const state = useRef({});
  state.current = { run, player, loop };
  const count = run?.frames.length ?? 0;
  const idle = !player || !count;

  if (player) Object.assign(player, { loop });
  const choose = (value) => {
    setSpeed(value);
    player?.setSpeed(value);
  };
  const toggle = () => (player.playing ? player.pause() : player.play());

  useEffect(() => {
    const stop = new AbortController();
    const act = (event) => {
      const { player: now, loop: loops } = state.current;
      if (!now || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea")) return;
      const acts = {
        " ": () => (now.playing ? now.pause() : now.play()),
        k: () => (now.playing ? now.pause() : now.play()),
        ArrowLeft: () => now.step(event.shiftKey ? -10 : -1),
        ArrowRight: () => now.step(event.shiftKey ? 10 : 1),
        Home: () => now.goTo(0),
        End: () => now.goTo(now.frames.length - 1),
        l: () => setLoop(!loops),
      };
      if (event.key === " " && event.target.closest?.("button, a, summary")) return;
      if (acts[event.key]) {
        event.preventDefault();
        acts[event.key]();
      }
    };
    window.addEventListener("keydown", act, { signal: stop.signal });
    return () => stop.abort();
  }, []);

  const time = player?.frame?.time_s ?? 0;
  return html`
    <section class="controls" aria-label="Playback">
      <input type="range" min="0" max=${Math.max(0, count - 1)} step="1" value=${player?.at ?? 0} disabled=${idle}
        aria-label="Frame" aria-valuetext=${`frame ${player?.at ?? 0}, ${time.toFixed(2)} seconds`}
        onInput=${(event) => player.goTo(Number(event.target.value))} />
      <div class="row">
        <button aria-label="One frame back" title="One frame back (←)" disabled=${idle} onClick=${() => player.step(-1)}>◀︎</button>
        <button class="wide" disabled=${idle || !run.pictures.moves} title="Play or pause (space)" onClick=${toggle}>${player?.playing ? "Pause" : "Play"}</button>
        <button aria-label="One frame on" title="One frame on (→)" disabled=${idle} onClick=${() => player.step(1)}>▶︎</button>
        <label>Speed
          <select value=${speed} disabled=${idle} onChange=${(event) => choose(Number(event.target.value))}>
            ${SPEEDS.map((each) => html`<option value=${each}>${each}×</option>`)}
          </select>
        </label>
        <label class="check"><input type="checkbox" checked=${loop} disabled=${idle} onChange=${(event) => setLoop(event.target.checked)} /> Loop</label>
        <p class="where">${count ? `frame ${player.at} of ${count} · ${time.toFixed(2)} s` : " "}</p>
      </div>
    </section>`;
}

function clipLine(run) {
  const done = `${run.frames.length} frames`;
  const rate = run.rate ? `, ${run.rate.toFixed(0)} frames a second` : "";
  const left = run.secondsLeft;
  switch (run.state) {
    case "sending": return `Sending ${(run.file.size / 1e6).toFixed(1)} MB ...`;
    case "working": return `${done}${rate}${left == null ? "" : `, ${seconds(left)} left`}`;
    case "cancelled": return `Cancelled after ${done}.`;
    case "failed": return run.frames.length ? `Ended after ${done}.` : "Not processed.";
    default: return `Done: ${done}${rate}.${run.end.complete ? "" : " Part of the file could not be read."}`;
  }
}

export function Progress({ run, camera, onCancel }) {
  const figures = camera?.figures;
  const line = run ? clipLine(run) : camera ? "" : "Nothing is processed.";
  return html`
    <section class="progress" aria-label="Progress">
      <h2>Progress</h2>
      ${camera
        ? html`<dl class="figures">
            <div><dt>frames a second</dt><dd data-figure="rate">${figures.rate ? figures.rate.toFixed(1) : "–"}</dd></div>
            <div><dt>delay, median</dt><dd data-figure="median">${figures.median == null ? "–" : `${figures.median.toFixed(0)} ms`}</dd></div>
            <div><dt>delay, p95</dt><dd data-figure="p95">${figures.p95 == null ? "–" : `${figures.p95.toFixed(0)} ms`}</dd></div>
          </dl>`
        : html`
            <progress max="1" value=${run ? (run.share ?? (run.active ? undefined : 0)) : 0} aria-label="Part of the clip that is done"></progress>
            <p class="line" data-state=${run?.state ?? "none"}>${line}</p>
            <ul class="warnings">${run?.end?.warnings.map((each) => html`<li>${each}</li>`)}</ul>
            <button disabled=${!run?.active} onClick=${onCancel}>Cancel</button>`}
    </section>`;
}

const SHOWN = [
  ["outlines", "Outlines"],
  ["points", "Points, by confidence"],
  ["trails", "Trails"],
  ["ids", "Track ids"],
  ["box", "Boxes"],
];

export function Options(props) {
  const { options, onOptions, maxFaces, most, onMaxFaces, run } = props;
  return html`
    <section class="options" aria-label="What is drawn">
      <h2>Shown</h2>
      ${SHOWN.map(([name, label]) => html`
        <label class="check"><input type="checkbox" name=${name} checked=${options[name]}
          onChange=${(event) => onOptions({ ...options, [name]: event.target.checked })} /> ${label}</label>`)}
      <div class="legend" aria-hidden="true"><span>0</span><i></i><span>1</span></div>
      <label>Faces to follow
        <select value=${maxFaces} onChange=${(event) => onMaxFaces(Number(event.target.value))}>
          ${Array.from({ length: most }, (_, i) => html`<option value=${i + 1}>${i + 1}</option>`)}
        </select>
      </label>
      <p class="hint">Holds from the next clip on.</p>
    </section>
    <${Downloads} ...${props} ready=${run?.state === "done"} />`;
}

function Downloads({ run, player, abilities, contours, options, onError, ready }) {
  const [recording, setRecording] = useState(null); // {share, stop}
  const [making, setMaking] = useState("");
  const take = async (name) => {
    setMaking(name);
    await download(name, run).catch(onError);
    setMaking("");
  };
  const recordIt = async () => {
    const stop = new AbortController();
    setRecording({ share: 0, stop });
    try {
      await downloadOverlay(run, player, { contours, options }, (share) => setRecording({ share, stop }), stop.signal);
    } catch (error) {
      onError(error);
    }
    setRecording(null);
  };
  const moves = run?.pictures.moves && !run.pictures.missing;
  return html`
    <section class="downloads" aria-label="Downloads">
      <h2>Download</h2>
      <div class="buttons">
        ${formatsOf(abilities).map(({ name, label }) => html`<button disabled=${!ready || making} data-format=${name} onClick=${() => take(name)}>${making === name ? "…" : label}</button>`)}
        ${recordingKind() && !abilities.formats.includes("mp4") &&
          html`<button disabled=${!ready || !moves || recording} data-format="overlay" onClick=${recordIt}>Overlay video</button>`}
      </div>
      ${recording && html`<p class="row">Recording: ${Math.round(100 * recording.share)} % <button onClick=${() => recording.stop.abort()}>Stop</button></p>`}
    </section>`;
}
