// Files of a run: from what came already where that is enough, else from the service.
import { alignFile } from "./api.js";
import { record } from "./record.js";

const FORMATS = {
  json: { label: "JSON", type: "application/json" },
  ndjson: { label: "NDJSON", type: "application/x-ndjson" },
  csv: { label: "CSV", type: "text/csv" },
  parquet: { label: "Parquet" },
  pts: { label: ".pts (zip)", suffix: "zip" },
  mp4: { label: "Overlay MP4" },
};

function asJson({ header, frames, end }) {
  return JSON.stringify({ ...header, frames, ...end }) + "\n";
}

function asCsv({ frames }, points) {
  const names = (axis) => Array.from({ length: points }, (_, i) => `${axis}_${i}`);
  const rows = [["frame", "face_id", "timestamp", "confidence", "success", ...names("x"), ...names("y"), "reacquired"]];
  for (const frame of frames) {
    const start = (id) => [frame.index + 1, id, frame.time_s.toFixed(3)];
    for (const face of frame.faces) {
      const axis = (from) => face.landmarks.filter((_, i) => i % 2 === from).map((value) => value.toFixed(2));
      rows.push([...start(face.track_id), face.score.toFixed(3), 1, ...axis(0), ...axis(1), face.reacquired ? 1 : 0]);
    }
    if (!frame.faces.length) rows.push([...start(0), "0.000", 0, ...Array(2 * points).fill("0.00"), 0]);
  }
  return rows.map((row) => row.join(",")).join("\n") + "\n";
}

// Names of what can be downloaded here: forms that came with the points, and others that the service gives.
export function formatsOf(abilities) {
  const others = ["parquet", "pts", "mp4"].filter((name) => abilities.formats.includes(name));
  return ["json", "ndjson", "csv", ...others].map((name) => ({ name, label: FORMATS[name].label }));
}

async function content(name, run, query) {
  const here = {
    json: () => asJson(run),
    ndjson: () => run.lines.join("\n") + "\n",
    csv: () => asCsv(run, run.numPoints),
  }[name];
  return here ? new Blob([here()], { type: FORMATS[name].type }) : alignFile(run.file, { ...query, format: name });
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const stem = (file) => (file.name || "picture").replace(/\.[^.]*$/, "");

export async function download(name, run, query) {
  save(await content(name, run, query), `${stem(run.file)}.${FORMATS[name].suffix ?? name}`);
}

// The pictures with what is drawn on them, recorded while they play once from the beginning.
export async function downloadOverlay(run, player, options, onProgress, signal) {
  const { blob, suffix } = await record(run, player, options, onProgress, signal);
  if (blob) save(blob, `${stem(run.file)}-overlay.${suffix}`);
}
