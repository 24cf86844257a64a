// Pictures of a file, as the browser shows them: a video, a still or an animated picture, or none that it can decode.

const once = (target, name, signal) => new Promise((done) => target.addEventListener(name, done, { once: true, signal }));

// Pictures of a video. `draw(context, view)` draws the frame that is shown; `onFrame(time)` is told each new one.
class VideoPictures {
  constructor(video, url) {
    this.video = video;
    this.url = url;
    this.moves = true;
    this.duration = video.duration;
    this.offset = 0;
    this.onFrame = () => {};
    const presented = (_, frame) => {
      this.onFrame(frame.mediaTime - this.offset);
      this.handle = video.requestVideoFrameCallback(presented);
    };
    this.handle = video.requestVideoFrameCallback(presented);
  }

  get width() { return this.video.videoWidth; }
  get height() { return this.video.videoHeight; }
  get playing() { return !this.video.paused; }
  get seeking() { return this.video.seeking; }

  draw(context, view) {
    context.drawImage(this.video, view.x, view.y, view.w, view.h);
  }

  seek(time) {
    this.video.currentTime = Math.min(Math.max(0, time + this.offset), Math.max(0, this.duration - 0.001));
  }

  async play(speed) {
    this.video.playbackRate = speed;
    await this.video.play().catch(() => {});
  }

  pause() { this.video.pause(); }

  close() {
    this.video.cancelVideoFrameCallback(this.handle);
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(this.url);
  }
}

// Pictures that are all decoded: one of a still, each of an animation. Time is kept here, since no element does.
class DecodedPictures {
  constructor(images, times, duration) {
    Object.assign(this, { images, times, duration, moves: images.length > 1, playing: false, seeking: false });
    this.at = 0;
    this.onFrame = () => {};
  }

  get width() { return this.images[0].displayWidth ?? this.images[0].width; }
  get height() { return this.images[0].displayHeight ?? this.images[0].height; }

  draw(context, view) {
    context.drawImage(this.images[this.at], view.x, view.y, view.w, view.h);
  }

  seek(time) {
    let at = 0;
    while (at + 1 < this.times.length && this.times[at + 1] <= time + 1e-4) at++;
    this.at = at;
    this.onFrame(this.times[at]);
  }

  play(speed) {
    this.playing = true;
    let [began, from] = [performance.now(), this.times[this.at]];
    const tick = (now) => {
      if (!this.playing) return;
      const time = from + ((now - began) / 1000) * speed;
      this.seek(Math.min(time, this.duration));
      if (time >= this.duration) this.playing = false;
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() { this.playing = false; }

  close() {
    this.playing = false;
    this.images.forEach((image) => image.close());
  }
}

// A file that the service reads and the browser does not: its points are shown on an empty ground.
class NoPictures extends DecodedPictures {
  constructor() {
    super([{ width: 0, height: 0, close() {} }], [0], 0);
    this.missing = true;
  }

  follow(frames) {
    this.times = frames.map((frame) => frame.time_s);
    this.duration = this.times.at(-1) ?? 0;
    this.moves = frames.length > 1;
  }

  draw() {}

  seek(time) {
    let at = 0;
    while (at + 1 < this.times.length && this.times[at + 1] <= time + 1e-4) at++;
    this.at = at;
    this.onFrame(this.times[at] ?? 0);
  }
}

async function openVideo(file) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto" });
  video.className = "unseen";
  const url = URL.createObjectURL(file);
  const ready = Promise.race([once(video, "loadeddata").then(() => true), once(video, "error").then(() => false)]);
  video.src = url;
  if (!(await ready) || !video.videoWidth) {
    URL.revokeObjectURL(url);
    return null;
  }
  return new VideoPictures(video, url);
}

async function openAnimation(file) {
  if (!("ImageDecoder" in window) || !/gif|webp|png|avif/.test(file.type)) return null;
  try {
    const decoder = new ImageDecoder({ data: await file.arrayBuffer(), type: file.type });
    await decoder.completed;
    const count = decoder.tracks.selectedTrack.frameCount;
    if (count < 2 || count > 400) return null;
    const [images, times] = [[], []];
    let time = 0;
    for (let frameIndex = 0; frameIndex < count; frameIndex++) {
      const { image } = await decoder.decode({ frameIndex });
      images.push(image);
      times.push(time);
      time += (image.duration || 100_000) / 1e6;
    }
    return new DecodedPictures(images, times, time);
  } catch {
    return null;
  }
}

async function openStill(file) {
  try {
    return new DecodedPictures([await createImageBitmap(file, { imageOrientation: "from-image" })], [0], 0);
  } catch {
    return null;
  }
}

export async function openMedia(file) {
  const picture = file.type.startsWith("image/");
  const opened = picture ? ((await openAnimation(file)) ?? (await openStill(file))) : await openVideo(file);
  return opened ?? new NoPictures();
}
