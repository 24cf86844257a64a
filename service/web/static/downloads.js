// Files of a run: JSON from what came already, others from the service, which reads the clip again for them.
import { alignFile } from "./api.js";
import { record } from "./record.js";

const FORMATS = {
  json: { label: "JSON", type: "application/json" },
  ndjson: { label: "NDJSON", type: "application/x-ndjson" },
  csv: { label: "CSV" },
  parquet: { label: "Parquet" },
  pts: { label: ".pts (zip)", suffix: "zip" },
  vtt: { label: "WebVTT" },
  srt: { label: "SubRip" },
  mp4: { label: "Overlay MP4" },
};

function asJson({ header, frames, end }) {
  return JSON.stringify({ ...header, frames, ...end }) + "\n";
}

// What can be downloaded here: forms that came with the points, and others that the service gives.
export function formatsOf(abilities) {
  const others = ["csv", "parquet", "pts", "vtt", "srt", "mp4"].filter((name) => abilities.formats.includes(name));
  return ["json", "ndjson", ...others].map((name) => ({ name, label: FORMATS[name].label }));
}

async function content(name, run) {
  const here = {
    json: () => asJson(run),
    ndjson: () => run.lines.join("\n") + "\n",
  }[name];
  return here ? new Blob([here()], { type: FORMATS[name].type }) : alignFile(run.file, { ...run.query, format: name });
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const stem = (file) => (file.name || "picture").replace(/\.[^.]*$/, "");

export async function download(name, run) {
  save(await content(name, run), `${stem(run.file)}.${FORMATS[name].suffix ?? name}`);
}

// The pictures with what is drawn on them, recorded while they play once from the beginning.
export async function downloadOverlay(run, player, options, onProgress, signal) {
  const { blob, suffix } = await record(run, player, options, onProgress, signal);
  if (blob) save(blob, `${stem(run.file)}-overlay.${suffix}`);
}
