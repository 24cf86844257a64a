// The clip by frame: mouth, eyes, head angles and confidence of one face, and where tracks began and ended.
import { html, useEffect, useMemo, useRef } from "./html.js";
import uPlot from "uplot";
import { colourOf } from "./draw.js";
import { measure } from "./scheme.js";

const SERIES = [
  { name: "mouth", label: "Mouth opening", scale: "ratio", light: "#b3261e", dark: "#ff8a80" },
  { name: "eyes", label: "Eye opening", scale: "ratio", light: "#00629d", dark: "#7cc4ff" },
  { name: "confidence", label: "Confidence", scale: "ratio", light: "#5f6368", dark: "#b8bcc2", dash: [5, 3] },
  { name: "yaw", label: "Yaw", scale: "angle", light: "#0b7a4b", dark: "#5fe0a5" },
  { name: "pitch", label: "Pitch", scale: "angle", light: "#8a5a00", dark: "#ffc95c" },
  { name: "roll", label: "Roll", scale: "angle", light: "#7b3fa0", dark: "#dba6ff" },
];

// Track ids of a clip in the order of their first frames, and where each began and ended, by position.
export function tracksOf(frames) {
  const tracks = new Map();
  frames.forEach((frame, at) => {
    for (const face of frame.faces) {
      const known = tracks.get(face.track_id);
      if (known) known.to = at;
      else tracks.set(face.track_id, { id: face.track_id, from: at, to: at });
    }
  });
  return [...tracks.values()];
}

function columns(frames, trackId) {
  const values = SERIES.map(() => []);
  for (const frame of frames) {
    const face = frame.faces.find((each) => each.track_id === trackId);
    const measured = face ? measure(face) : {};
    SERIES.forEach(({ name }, i) => values[i].push(measured[name] ?? null));
  }
  return [frames.map((_, at) => at), ...values];
}

const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

function makePlot(element, state) {
  const ink = dark() ? "#d5d9e0" : "#3b4048";
  const grid = { stroke: dark() ? "#ffffff18" : "#00000014", width: 1 };
  const axis = (more) => ({ stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif", ...more });
  const marks = (plot) => {
    const { ctx, bbox } = plot;
    const line = (at, colour, width, dash = []) => {
      const x = Math.round(plot.valToPos(at, "x", true)) + 0.5;
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return;
      ctx.save();
      ctx.strokeStyle = colour;
      ctx.lineWidth = width * devicePixelRatio;
      ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.restore();
    };
    const last = state.frames.length - 1;
    for (const track of state.tracks) {
      if (track.from > 0) line(track.from, colourOf(track.id), 2);
      if (track.to < last) line(track.to, colourOf(track.id), 2, [3, 3]);
    }
    line(state.at, dark() ? "#fff" : "#111", 1.5);
  };
  const plot = new uPlot(
    {
      width: element.clientWidth,
      height: 240,
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      legend: { live: true },
      scales: { x: { time: false }, ratio: { range: [0, 1] }, angle: { range: (_, low, high) => {
        const most = Math.max(30, Math.ceil(Math.max(Math.abs(low ?? 0), Math.abs(high ?? 0)) / 15) * 15);
        return [-most, most];
      } } },
      axes: [
        axis({ space: 60 }),
        axis({ scale: "ratio", size: 42 }),
        axis({ scale: "angle", side: 1, size: 46, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => `${tick}°`) }),
      ],
      series: [
        { label: "Frame" },
        ...SERIES.map(({ label, scale, dash, ...colours }) => ({
          label, scale, dash, spanGaps: false, width: 1.6, stroke: dark() ? colours.dark : colours.light,
          value: (_, value) => (value == null ? "–" : scale === "angle" ? `${value.toFixed(0)}°` : value.toFixed(2)),
        })),
      ],
      hooks: { draw: [marks] },
    },
    columns(state.frames, state.trackId),
    element,
  );
  plot.over.addEventListener("click", () => {
    if (plot.cursor.idx != null) state.onGo(plot.cursor.idx);
  });
  return plot;
}

export function Timeline({ frames, count, at, trackId, onTrack, onGo }) {
  const element = useRef(null);
  const plot = useRef(null);
  const state = useRef({});
  const tracks = useMemo(() => tracksOf(frames), [frames, count]);
  const chosen = tracks.some((track) => track.id === trackId) ? trackId : tracks[0]?.id;
  Object.assign(state.current, { frames, tracks, at, trackId: chosen, onGo });

  useEffect(() => {
    const remake = () => {
      plot.current?.destroy();
      plot.current = makePlot(element.current, state.current);
    };
    remake();
    const sized = new ResizeObserver(() => plot.current.setSize({ width: element.current.clientWidth, height: 240 }));
    sized.observe(element.current);
    const colours = matchMedia("(prefers-color-scheme: dark)");
    colours.addEventListener("change", remake);
    return () => {
      sized.disconnect();
      colours.removeEventListener("change", remake);
      plot.current.destroy();
    };
  }, []);
  useEffect(() => plot.current.setData(columns(frames, chosen)), [frames, count, chosen]);
  useEffect(() => {
    plot.current.redraw(false);
    if (count && plot.current.cursor.idx == null) plot.current.setLegend({ idx: Math.min(at, count - 1) });
  }, [at, count, chosen]);

  return html`
    <section class="timeline" aria-label="Timeline">
      <div class="timeline-head">
        <h2>Timeline</h2>
        <label>Face
          <select value=${chosen} onChange=${(event) => onTrack(Number(event.target.value))} disabled=${!tracks.length}>
            ${tracks.map((track) => html`<option value=${track.id}>${track.id} (frames ${track.from} to ${track.to})</option>`)}
          </select>
        </label>
        <p class="hint">Click to go there. Coloured lines: a face's track began (solid) or ended (dashed).</p>
      </div>
      <div class="plot" ref=${element} role="img"
        aria-label="Curves of mouth, eyes, confidence and head angles by frame; the slider above goes to a frame."></div>
    </section>`;
}
