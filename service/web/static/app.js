// The page: what is shown and chosen, and what happens then.
import { getAbilities, getInfo, isThere, key, sentence } from "./api.js";
import { Camera, noCamera } from "./camera.js";
import { Controls, Options, Progress } from "./controls.js";
import { Sources } from "./sources.js";
import { html, render, useCallback, useEffect, useReducer, useRef, useState } from "./html.js";
import { openMedia } from "./media.js";
import { Player } from "./player.js";
import { Run } from "./run.js";
import { Timeline } from "./timeline.js";

const LOOK_AGAIN_MS = 2000;
const START = { outlines: true, points: true, trails: false, ids: true, box: false };

// Many changes a second become one drawing of the page.
function useRefresh() {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const asked = useRef(false);
  return useCallback(() => {
    if (asked.current) return;
    asked.current = true;
    setTimeout(() => {
      asked.current = false;
      redraw();
    }, 80);
  }, []);
}

function KeyForm({ onKey }) {
  const [value, setValue] = useState("");
  const submit = (event) => {
    event.preventDefault();
    onKey(value.trim());
  };
  return html`
    <form class="key" onSubmit=${submit}>
      <label for="key">API key or token</label>
      <div class="row">
        <input id="key" type="password" autocomplete="off" required value=${value} onInput=${(event) => setValue(event.target.value)} />
        <button class="primary" type="submit">Use this key</button>
      </div>
      <p class="hint">It stays in this tab, and is gone when the tab is closed.</p>
    </form>`;
}

function App() {
  const refresh = useRefresh();
  const [info, setInfo] = useState(null);
  const [abilities, setAbilities] = useState({ formats: ["json", "ndjson", "csv"], features: false });
  const [problem, setProblem] = useState(null); // {text, reason}
  const [notice, setNotice] = useState("");
  const [maxFaces, setMaxFaces] = useState(2);
  const [options, setOptions] = useState(START);
  const [trackId, setTrackId] = useState(null);
  const shown = useRef({}); // {run, player} or {camera}
  const able = useRef(null); // The promise of `abilities`: a file may be chosen before they have come.
  const [picture, overlay, stage] = [useRef(null), useRef(null), useRef(null)];
  const { run, player, camera } = shown.current;
  const contours = info?.contours ?? NONE;

  const report = useCallback((error) => setProblem({ text: sentence(error), reason: error.reason }), []);

  const greet = useCallback(async () => {
    try {
      setInfo(await getInfo());
      setProblem(null);
      able.current = getAbilities();
      setAbilities(await able.current);
    } catch (error) {
      report(error);
    }
  }, []);
  useEffect(() => void greet(), []);

  // A service that is gone is looked for until it is back.
  useEffect(() => {
    if (!problem || !["GONE", "NOT_READY", "GOING_AWAY"].includes(problem.reason)) return undefined;
    const timer = setInterval(async () => {
      if (!(await isThere())) return;
      setProblem(null);
      setNotice("The service is back. Choose the file again to go on.");
      greet();
    }, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [problem]);

  const clear = () => {
    shown.current.run?.cancel();
    shown.current.player?.close();
    shown.current.camera?.close();
    shown.current = {};
    for (const canvas of [picture.current, overlay.current]) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    setProblem(null);
    setNotice("");
    setTrackId(null);
  };

  const open = async (file) => {
    clear();
    const pictures = await openMedia(file);
    let made = null;
    const begun = new Run(file, pictures, () => {
      made.grew();
      if (begun.state === "failed") report(begun.error);
      if (begun.state === "done" && !begun.frames.some((frame) => frame.faces.length))
        setNotice("No face was found. Faces should be upright or turned by less than 60 degrees, and at least some 30 pixels wide.");
      if (begun.state === "done" && made.follows) made.goTo(0);
      refresh();
    });
    made = new Player(begun, picture.current, overlay.current, refresh);
    Object.assign(made, { contours, options });
    shown.current = { run: begun, player: made };
    if (pictures.missing) setNotice("This browser cannot show the pictures of this file; its points are shown without them.");
    made.resize();
    refresh();
    const can = (await able.current) ?? abilities;
    await begun.work(can.features ? { max_faces: maxFaces, features: "pose,expression" } : { max_faces: maxFaces });
  };

  const openCamera = async () => {
    clear();
    const made = new Camera(picture.current, overlay.current, () => {
      if (made.error) report(made.error);
      refresh();
    });
    Object.assign(made, { contours, options });
    shown.current = { camera: made };
    refresh();
    await made.start(maxFaces);
  };

  useEffect(() => {
    const target = player ?? camera;
    if (!target) return;
    Object.assign(target, { contours, options });
    target.draw();
  }, [options, info, player, camera]);

  useEffect(() => {
    const sized = new ResizeObserver(() => {
      shown.current.player?.resize();
      shown.current.camera?.draw();
    });
    sized.observe(stage.current);
    window.redAlign = shown; // For those who look from the console, and for tests.
    return () => sized.disconnect();
  }, []);

  const frame = player?.frame;
  const faces = camera ? camera.faces : (frame?.faces ?? []);
  const seen = faces.length === 1 ? "1 face" : `${faces.length} faces`;
  const label = run ? `Frame ${frame?.index ?? 0}: ${seen}` : camera ? `Camera: ${seen}` : "No picture yet";
  const asksKey = problem?.reason === "UNAUTHENTICATED";

  return html`
    <header>
      <h1>RED Align</h1>
      <p>Facial landmarks in video: ${info ? `${info.num_points} points of every face` : "points of every face"}, drawn while they come.</p>
      <nav aria-label="More"><a href="/docs">API</a></nav>
    </header>
    <main>
      <${Sources} onFile=${open} onCamera=${openCamera} onError=${report} cameraHint=${noCamera()} live=${Boolean(camera)}
        onStop=${() => { clear(); refresh(); }} />
      <div class="messages">
        <div role="alert">${problem && html`<p class="problem">${problem.text}</p>`}</div>
        <div role="status">${(notice || camera?.message) && html`<p class="notice">${notice || camera.message}</p>`}</div>
        ${asksKey && html`<${KeyForm} onKey=${(value) => { key.set(value); greet(); }} />`}
      </div>
      <div class="workbench">
        <div class="viewer">
          <div class="stage" ref=${stage}>
            <canvas class="picture" ref=${picture} role="img" aria-label=${label}></canvas>
            <canvas class="overlay" ref=${overlay} aria-hidden="true"></canvas>
            ${!run && !camera && html`<p class="empty">Drop a clip or a picture here, paste one, or choose above.</p>`}
          </div>
          <${Controls} run=${run} player=${player} />
        </div>
        <aside>
          <${Progress} run=${run} camera=${camera} onCancel=${() => run.cancel()} />
          <${Options} options=${options} onOptions=${setOptions} maxFaces=${maxFaces} most=${info?.limits.max_faces ?? 8}
            onMaxFaces=${setMaxFaces} run=${run} player=${player} abilities=${abilities} contours=${contours} onError=${report} />
        </aside>
      </div>
      <${Timeline} frames=${run?.frames ?? NONE} count=${run?.frames.length ?? 0} at=${player?.at ?? 0}
        trackId=${trackId} onTrack=${setTrackId} onGo=${(at) => player?.goTo(at)} />
    </main>
    <footer>
      <p>${info && `Version ${info.version}, model ${info.model.preset}, ${info.model.precision}, ${info.model.engine}. `}
        Pictures stay between this browser and this service. Sample: made from a NASA portrait in the public domain.</p>
    </footer>`;
}

const NONE = [];
render(html`<${App} />`, document.getElementById("app"));
