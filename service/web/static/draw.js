// Draws faces on a canvas whose pixels are those of the screen. (0, 0) of a point is the centre of the first pixel.

// Colours of faces by track id, told apart by colour-blind eyes too (Okabe and Ito 2008).
export const FACE_COLOURS = ["#56b4e9", "#e69f00", "#00c896", "#f0e442", "#cc79a7", "#ff7a45", "#8fa8ff"];
export const colourOf = (trackId) => FACE_COLOURS[trackId % FACE_COLOURS.length];

// Colours of points by confidence, from 0 to 1; the page's legend shows the same stops.
const STOPS = [
  [0.0, [230, 60, 50]],
  [0.4, [250, 170, 60]],
  [0.7, [250, 240, 130]],
  [1.0, [70, 230, 150]],
];
export function confidenceColour(value) {
  const at = Math.max(0, Math.min(1, value));
  const above = Math.max(1, STOPS.findIndex(([stop]) => at <= stop));
  const [[low, from], [high, to]] = [STOPS[above - 1], STOPS[above]];
  const share = (at - low) / (high - low);
  return `rgb(${from.map((value, i) => Math.round(value + share * (to[i] - value))).join(" ")})`;
}

// Where a frame of a clip lies on a canvas: the largest rectangle of its shape, in the middle.
export function fit(canvasWidth, canvasHeight, width, height, pixelAspect = 1) {
  const scale = Math.min(canvasWidth / (width * pixelAspect), canvasHeight / height);
  const [w, h] = [width * pixelAspect * scale, height * scale];
  return { x: (canvasWidth - w) / 2, y: (canvasHeight - h) / 2, w, h, sx: w / width, sy: h / height };
}

export const place = (view, x, y) => [view.x + (x + 0.5) * view.sx, view.y + (y + 0.5) * view.sy];

const TRAIL_FRAMES = 12;

// The faces of a frame. `before` are frames before it, the latest last; they give the trails.
export function drawFaces(context, view, faces, before, contours, options) {
  const unit = (window.devicePixelRatio || 1) * Math.max(0.7, Math.min(1.6, view.w / 900 / (window.devicePixelRatio || 1)));
  for (const face of faces) {
    const colour = colourOf(face.track_id);
    context.lineJoin = context.lineCap = "round";
    if (options.trails) drawTrail(context, view, face, before, colour, unit);
    if (options.outlines) drawOutlines(context, view, face, contours, colour, unit);
    if (options.points) drawPoints(context, view, face, unit);
    if (options.box) drawBox(context, view, face, colour, unit);
    if (options.ids) drawId(context, view, face, colour, unit);
  }
}

function drawTrail(context, view, face, before, colour, unit) {
  const track = [];
  for (let i = before.length - 1; i >= 0 && track.length < TRAIL_FRAMES; i--) {
    const earlier = before[i].faces.find((other) => other.track_id === face.track_id);
    if (!earlier) break;
    track.push(earlier.landmarks);
  }
  context.strokeStyle = colour;
  context.lineWidth = 1.2 * unit;
  let later = face.landmarks;
  track.forEach((landmarks, age) => {
    context.globalAlpha = 0.55 * (1 - age / TRAIL_FRAMES);
    context.beginPath();
    for (let i = 0; i < landmarks.length; i += 2) {
      context.moveTo(...place(view, later[i], later[i + 1]));
      context.lineTo(...place(view, landmarks[i], landmarks[i + 1]));
    }
    context.stroke();
    later = landmarks;
  });
  context.globalAlpha = 1;
}

function drawOutlines(context, view, face, contours, colour, unit) {
  const trace = (width, style) => {
    context.lineWidth = width;
    context.strokeStyle = style;
    for (const { points, closed } of contours) {
      context.beginPath();
      points.forEach((i, n) => {
        const at = place(view, face.landmarks[2 * i], face.landmarks[2 * i + 1]);
        if (n) context.lineTo(...at);
        else context.moveTo(...at);
      });
      if (closed) context.closePath();
      context.stroke();
    }
  };
  trace(3.4 * unit, "rgb(0 0 0 / 35%)");
  trace(1.8 * unit, colour);
}

function drawPoints(context, view, face, unit) {
  const size = Math.max(1.4, Math.min(3.2, (face.box[2] * view.sx) / 70)) * unit;
  for (let i = 0; 2 * i < face.landmarks.length; i++) {
    const [x, y] = place(view, face.landmarks[2 * i], face.landmarks[2 * i + 1]);
    context.fillStyle = "rgb(0 0 0 / 55%)";
    context.beginPath();
    context.arc(x, y, size + 0.9 * unit, 0, 7);
    context.fill();
    context.fillStyle = confidenceColour(face.confidence[i]);
    context.beginPath();
    context.arc(x, y, size, 0, 7);
    context.fill();
  }
}

function drawBox(context, view, face, colour, unit) {
  const [x, y] = place(view, face.box[0], face.box[1]);
  context.lineWidth = 1.5 * unit;
  context.strokeStyle = colour;
  context.strokeRect(x, y, face.box[2] * view.sx, face.box[3] * view.sy);
}

function drawId(context, view, face, colour, unit) {
  const [x, y] = place(view, face.box[0], face.box[1]);
  const text = `face ${face.track_id}  ${Math.round(100 * face.score)} %`;
  context.font = `600 ${13 * unit}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const [width, height] = [context.measureText(text).width + 14 * unit, 21 * unit];
  const [left, top] = [Math.max(0, x), Math.max(0, y - height - 6 * unit)];
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(left, top, width, height, 5 * unit);
  context.fill();
  context.fillStyle = "#111";
  context.fillText(text, left + 7 * unit, top + height / 2 + unit);
}
