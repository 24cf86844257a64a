// One file on its way through the service: what came so far, how fast, and how it ended. Plain values and one listener.
import { alignLines } from "./api.js";

export class Run {
  constructor(file, pictures, onChange) {
    Object.assign(this, { file, pictures, onChange });
    this.state = "sending"; // then: working, done, cancelled, failed
    this.header = null;
    this.frames = [];
    this.end = null;
    this.error = null;
    this.lines = [];
    this.firstAt = this.lastAt = 0;
    this.stop = new AbortController();
  }

  get active() { return this.state === "sending" || this.state === "working"; }

  // Frames a second since the first one came.
  get rate() {
    const seconds = (this.lastAt - this.firstAt) / 1000;
    return seconds > 0 ? (this.frames.length - 1) / seconds : 0;
  }

  // Share of the clip that is done, 0 to 1, from its duration as the browser knows it; null where it does not.
  get share() {
    if (this.state === "done") return 1;
    const duration = this.pictures.duration;
    return duration && Number.isFinite(duration) && this.frames.length
      ? Math.min(1, this.frames.at(-1).time_s / duration)
      : null;
  }

  get secondsLeft() {
    const share = this.share;
    return share && this.active ? ((this.lastAt - this.firstAt) / 1000) * (1 / share - 1) : null;
  }

  async work(query) {
    this.query = query;
    try {
      for await (const lines of alignLines(this.file, query, this.stop.signal)) {
        for (const line of lines) this.take(line);
        this.lastAt = performance.now();
        this.onChange();
      }
      if (!this.end) throw Object.assign(new Error("the answer has no end"), { reason: "GONE" });
      this.state = "done";
    } catch (error) {
      if (error.name === "AbortError") this.state = "cancelled";
      else [this.state, this.error] = ["failed", error];
    }
    this.onChange();
  }

  take(line) {
    const { type, ...values } = JSON.parse(line);
    this.lines.push(line);
    if (type === "header") {
      [this.header, this.state] = [values, "working"];
      this.firstAt = performance.now();
    } else if (type === "end") this.end = values;
    else this.frames.push(values);
  }

  cancel() { this.stop.abort(); }
}

// The number of the frame that is shown at a time: the last one that has begun.
export function frameAt(frames, time, slack = 0.002) {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle].time_s <= time + slack) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
