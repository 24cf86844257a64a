// The camera: its pictures go through a live stream, and each is shown with its own points when these have come.
import { key, sentence } from "./api.js";
import { drawFaces, fit } from "./draw.js";
import { LiveStream } from "./stream.js";

const QUALITY = 0.8;
const KEPT = 150; // delays and answers that the figures are of
const RATE_S = 2;

// Why there is no camera, as a sentence; "" where there may be one.
export function noCamera() {
  if (navigator.mediaDevices?.getUserMedia) return "";
  return window.isSecureContext
    ? "This browser gives no cameras to pages. Try another browser, or choose a file."
    : "Browsers give cameras to HTTPS pages only, and to pages on localhost. Open this page by https:// (the service " +
        "speaks it with RED_TLS_CERT and RED_TLS_KEY), or choose a file.";
}

const CAMERA_ERRORS = {
  NotAllowedError: "The camera is not allowed for this page. Allow it beside the address, and try again.",
  NotFoundError: "There is no camera here. Connect one and try again, or choose a file.",
  NotReadableError: "The camera is used by another program. Close that one and try again.",
};

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null;
}

export class Camera {
  constructor(picture, overlay, onChange) {
    Object.assign(this, { picture, overlay, onChange });
    this.contours = [];
    this.options = {};
    this.waiting = []; // pictures on their way, in order: {bitmap, at}
    this.delays = [];
    this.answered = [];
    this.recent = [];
    this.message = "Waiting for the camera ...";
    this.state = "starting"; // then: live, lost, failed
    this.faces = [];
  }

  async start(maxFaces) {
    const why = noCamera();
    if (why) return this.fail(why);
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
        audio: false,
      });
    } catch (error) {
      return this.fail(CAMERA_ERRORS[error.name] ?? `The camera does not start: ${error.message}.`);
    }
    if (this.closed) return this.stopTracks();
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    this.video.srcObject = this.stream;
    await this.video.play();
    this.canvas = new OffscreenCanvas(this.video.videoWidth, this.video.videoHeight);
    this.began = performance.now();
    const config = { max_faces: maxFaces, resume_every: 10 };
    if (key.get()) config.key = key.get();
    this.live = new LiveStream(config, {
      ready: () => this.ready(),
      frame: (frame) => this.take(frame),
      lost: (seconds) => this.lost(seconds),
      failed: (error) => this.fail(sentence(error), error),
    });
    const presented = (now, frame) => {
      this.next = this.video.requestVideoFrameCallback(presented);
      this.send(frame.captureTime ?? now);
    };
    this.next = this.video.requestVideoFrameCallback(presented);
  }

  ready() {
    this.message = this.state === "lost"
      ? this.live.goesOn ? "The connection is back; faces keep their numbers." : "The connection is back; faces are numbered anew."
      : "";
    this.state = "live";
    this.onChange();
  }

  lost(seconds) {
    this.drop();
    this.state = "lost";
    this.message = `The connection is lost. Trying again in ${seconds} s; nothing needs to be done.`;
    this.onChange();
  }

  fail(message, error = null) {
    Object.assign(this, { message, error, state: "failed" });
    this.stopTracks();
    this.onChange();
  }

  async send(at) {
    if (this.encoding || !this.live.free) return;
    this.encoding = true;
    try {
      const bitmap = await createImageBitmap(this.video);
      const context = this.canvas.getContext("2d", { alpha: false });
      context.drawImage(bitmap, 0, 0);
      const blob = await this.canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
      const data = await blob.arrayBuffer();
      if (this.live.send(data, (at - this.began) / 1000 + 1)) this.waiting.push({ bitmap, at });
      else bitmap.close();
    } finally {
      this.encoding = false;
    }
  }

  take(frame) {
    const sent = this.waiting.shift();
    if (!sent) return;
    this.shown?.close();
    this.shown = sent.bitmap;
    this.recent = [...this.recent.slice(-12), frame];
    this.faces = frame.faces;
    this.draw();
    const now = performance.now();
    this.delays = [...this.delays.slice(1 - KEPT), now - sent.at];
    this.answered = [...this.answered.slice(1 - KEPT), now];
    this.onChange();
  }

  // Frames a second over the last seconds, and the delay in milliseconds from a picture to its points on the screen.
  get figures() {
    const now = performance.now();
    const since = this.answered.filter((at) => at > now - RATE_S * 1000);
    const span = since.length > 1 ? (since.at(-1) - since[0]) / 1000 : 0;
    return {
      rate: span ? (since.length - 1) / span : 0,
      median: quantile(this.delays, 0.5),
      p95: quantile(this.delays, 0.95),
    };
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.picture, this.overlay]) {
      const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    }
    if (!this.shown) return;
    const view = fit(this.picture.width, this.picture.height, this.shown.width, this.shown.height);
    this.picture.getContext("2d").drawImage(this.shown, view.x, view.y, view.w, view.h);
    const context = this.overlay.getContext("2d");
    context.clearRect(0, 0, this.overlay.width, this.overlay.height);
    drawFaces(context, view, this.faces, this.recent.slice(0, -1), this.contours, this.options);
  }

  drop() {
    this.waiting.forEach(({ bitmap }) => bitmap.close());
    this.waiting = [];
  }

  stopTracks() {
    this.stream?.getTracks().forEach((track) => track.stop());
  }

  close() {
    this.closed = true;
    this.video?.cancelVideoFrameCallback(this.next);
    this.live?.close();
    this.stopTracks();
    this.drop();
  }
}
