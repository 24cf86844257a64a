// Records the overlay in the browser: pictures and points on a canvas, and the browser's own recorder.
import { drawFaces, fit } from "./draw.js";
import { frameAt } from "./run.js";

const KINDS = [
  ["video/mp4;codecs=avc1.42E01F", "mp4"],
  ["video/webm;codecs=vp9", "webm"],
  ["video/webm", "webm"],
];

export function recordingKind() {
  return KINDS.find(([type]) => window.MediaRecorder?.isTypeSupported(type));
}

export async function record(run, player, { contours, options }, onProgress, signal) {
  const [mimeType, suffix] = recordingKind();
  const { width, height, pixel_aspect_ratio: aspect } = run.header.video;
  const canvas = document.createElement("canvas");
  canvas.width = 2 * Math.round((width * (aspect || 1)) / 2);
  canvas.height = 2 * Math.round(height / 2);
  const context = canvas.getContext("2d");
  const view = fit(canvas.width, canvas.height, width, height, aspect || 1);
  const pictures = player.pictures;
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType, videoBitsPerSecond: 6_000_000 });
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const stopped = new Promise((done) => recorder.addEventListener("stop", done, { once: true }));
  const shown = (time) => {
    const at = frameAt(run.frames, time);
    pictures.draw(context, view);
    drawFaces(context, view, run.frames[at].faces, run.frames.slice(Math.max(0, at - 12), at), contours, options);
    onProgress(pictures.duration ? time / pictures.duration : 1);
  };
  const release = player.borrow(shown);
  try {
    recorder.start(1000);
    pictures.seek(0);
    await pictures.play(1);
    while (pictures.playing && !signal.aborted) await new Promise((next) => setTimeout(next, 100));
    pictures.pause();
    recorder.stop();
    await stopped;
  } finally {
    release();
  }
  return signal.aborted ? {} : { blob: new Blob(parts, { type: mimeType.split(";")[0] }), suffix };
}
