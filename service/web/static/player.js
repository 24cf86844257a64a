// Shows a run's pictures and points on two canvases that lie upon each other, and moves through its frames.
import { drawFaces, fit } from "./draw.js";
import { frameAt } from "./run.js";

export class Player {
  constructor(run, picture, overlay, onChange) {
    Object.assign(this, { run, picture, overlay, onChange });
    this.pictures = run.pictures;
    this.contours = [];
    this.options = {};
    this.at = 0;
    this.speed = 1;
    this.loop = false;
    this.follows = true; // Shows the newest frame while the service works.
    this.wanted = null;
    this.pictures.onFrame = (time) => this.shown(time);
  }

  get frames() { return this.run.frames; }
  get playing() { return this.pictures.playing; }
  get frame() { return this.frames[this.at]; }

  // The picture of a time is there: its frame is drawn with it.
  shown(time) {
    this.time = time;
    if (this.pictures.missing) this.pictures.follow(this.frames);
    const at = this.frames.length ? frameAt(this.frames, time, this.slack) : 0;
    const ended = this.playing === false && this.wasPlaying;
    this.at = at;
    this.draw();
    if (ended && !this.loop) this.wasPlaying = false;
    this.onChange();
  }

  // Half a frame: browsers round the times of frames.
  get slack() {
    const rate = this.run.header?.video.frame_rate;
    return rate ? 0.4 / rate : 0.004;
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.picture, this.overlay]) {
      canvas.width = Math.round(canvas.clientWidth * ratio);
      canvas.height = Math.round(canvas.clientHeight * ratio);
    }
    this.draw();
  }

  get view() {
    const video = this.run.header?.video;
    const { width, height } = this.picture;
    if (video) return fit(width, height, video.width, video.height, video.pixel_aspect_ratio || 1);
    return fit(width, height, this.pictures.width || 4, this.pictures.height || 3);
  }

  draw() {
    const view = this.view;
    const context = this.picture.getContext("2d");
    context.clearRect(0, 0, this.picture.width, this.picture.height);
    if (this.pictures.missing) {
      context.fillStyle = "#222";
      context.fillRect(view.x, view.y, view.w, view.h);
    }
    this.pictures.draw(context, view);
    this.drawPoints(view);
  }

  drawPoints(view = this.view) {
    const context = this.overlay.getContext("2d");
    context.clearRect(0, 0, this.overlay.width, this.overlay.height);
    const frame = this.frame;
    // While the service works the picture may be ahead of its points.
    if (!frame || Math.abs((this.time ?? frame.time_s) - frame.time_s) > 3 * this.slack + 0.2) return;
    const before = this.frames.slice(Math.max(0, this.at - 12), this.at);
    drawFaces(context, view, frame.faces, before, this.contours, this.options);
  }

  // New frames came.
  grew() {
    if (this.follows && this.run.active && !this.playing && !this.pictures.seeking) this.seek(this.frames.length - 1);
    else this.draw();
  }

  seek(index) {
    const at = Math.max(0, Math.min(this.frames.length - 1, index));
    const frame = this.frames[at];
    if (!frame) return;
    if (this.pictures.missing) this.pictures.follow(this.frames);
    this.pictures.seek(frame.time_s + this.slack / 2);
  }

  goTo(index) {
    this.follows = false;
    this.pause();
    this.seek(index);
  }

  step(by) { this.goTo(this.at + by); }

  async play() {
    this.follows = false;
    if (!this.pictures.moves) return;
    if (this.at >= this.frames.length - 1) this.seek(0);
    if (this.pictures.missing) this.pictures.follow(this.frames);
    await this.pictures.play(this.speed);
    this.watch();
    this.onChange();
  }

  // At the end: from the beginning, or stop.
  watch() {
    clearInterval(this.watcher);
    this.watcher = setInterval(() => {
      if (this.playing) return;
      clearInterval(this.watcher);
      const video = this.pictures.video;
      const ended = video ? video.ended : this.at >= this.frames.length - 1;
      if (ended && this.loop) {
        this.seek(0);
        this.play();
      } else this.onChange();
    }, 60);
  }

  pause() {
    clearInterval(this.watcher);
    this.pictures.pause();
    this.onChange();
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.playing) {
      this.pictures.pause();
      this.play();
    }
  }

  // Give the pictures to another one, who is told each that is shown; gives the way back.
  borrow(shown) {
    const [at, own] = [this.at, this.pictures.onFrame];
    this.pause();
    this.pictures.onFrame = (time) => {
      shown(time);
      own(time);
    };
    return () => {
      this.pictures.onFrame = own;
      this.seek(at);
    };
  }

  close() {
    clearInterval(this.watcher);
    this.pictures.close();
  }
}
