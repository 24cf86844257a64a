// A live stream over a WebSocket that opens again by itself: with its token, so that faces keep their numbers.
import { ServiceError } from "./api.js";

const PAUSES_MS = [250, 500, 1000, 2000, 4000, 8000];
const NEVER_AGAIN = new Set(["UNAUTHENTICATED", "ORIGIN_REFUSED", "INVALID_REQUEST"]);
const TOKEN_REFUSED = new Set(["BAD_RESUME_TOKEN", "RESUME_TOKEN_EXPIRED"]);

export class LiveStream {
  // `on` has ready(values), frame(values), lost(seconds until the next try), failed(error).
  constructor(config, on) {
    Object.assign(this, { config, on });
    this.token = "";
    this.unanswered = 0;
    this.window = 0;
    this.tries = 0;
    this.lastTime = -1;
    this.connect();
  }

  connect() {
    const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream`;
    const socket = new WebSocket(address, ["red-align.v1"]);
    socket.binaryType = "arraybuffer";
    this.error = null;
    socket.addEventListener("open", () => {
      const config = { type: "config", times: "client", ...this.config };
      if (this.token) config.resume_token = this.token;
      socket.send(JSON.stringify(config));
    });
    socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.closed());
    this.socket = socket;
  }

  get open() { return this.window > 0 && this.socket.readyState === WebSocket.OPEN; }

  // Whether one more frame may be on its way. Two keep the service busy; more would only make points later.
  get free() { return this.open && this.unanswered < Math.min(2, this.window); }

  send(picture, time) {
    if (!this.open) return false;
    const message = new Uint8Array(8 + picture.byteLength);
    // Times must grow, also over a reconnect.
    this.lastTime = Math.max(time, this.lastTime + 1e-4);
    new DataView(message.buffer).setFloat64(0, this.lastTime, true);
    message.set(new Uint8Array(picture), 8);
    this.socket.send(message);
    this.unanswered++;
    return true;
  }

  take(message) {
    const { type, ...values } = message;
    if (values.resume_token) this.token = values.resume_token;
    if (type === "ready") {
      [this.window, this.unanswered] = [values.window, 0];
      this.goesOn = values.next_index > 0;
      this.lastTime = Math.max(this.lastTime, values.last_time_s ?? -1);
      this.on.ready(values);
    } else if (type === "frame") {
      this.unanswered--;
      this.tries = 0;
      this.on.frame(values);
    } else if (type === "error") this.error = new ServiceError(values.error.reason, values.error.message);
  }

  closed() {
    this.window = 0;
    if (this.ended) return;
    if (this.error && NEVER_AGAIN.has(this.error.reason)) {
      this.on.failed(this.error);
      return;
    }
    if (this.error && TOKEN_REFUSED.has(this.error.reason)) this.token = "";
    const pause = PAUSES_MS[Math.min(this.tries++, PAUSES_MS.length - 1)];
    this.on.lost(pause / 1000, this.error);
    this.timer = setTimeout(() => this.connect(), pause);
  }

  close() {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket.close(1000);
  }
}
