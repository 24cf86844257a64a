// What is measured between the points of a face.

const point = (face, i) => [face.landmarks[2 * i], face.landmarks[2 * i + 1]];
const distance = (face, i, j) => Math.hypot(...point(face, i).map((value, k) => value - point(face, j)[k]));
const degrees = (radians) => (radians * 180) / Math.PI;

// Ratio of an eye's height to its width (Soukupova and Cech 2016).
const eye = (face, at) =>
  (distance(face, at + 1, at + 5) + distance(face, at + 2, at + 4)) / (2 * distance(face, at, at + 3) || 1);

// Height of the inner lips over the mouth's width.
const mouth = (face) => distance(face, 62, 66) / (distance(face, 48, 54) || 1);

// Head angles in degrees from the points alone, where the service gives no pose. The eyes' line gives the roll. In the
// frame turned back by it, where the nose's tip stands between the jaw's ends gives the yaw, and where it stands between
// eyes and mouth the pitch; both are rough.
function anglesFromPoints(face) {
  const [rx, ry] = point(face, 36);
  const [lx, ly] = point(face, 45);
  const roll = Math.atan2(ly - ry, lx - rx);
  const turn = (i) => {
    const [x, y] = point(face, i);
    return [x * Math.cos(-roll) - y * Math.sin(-roll), x * Math.sin(-roll) + y * Math.cos(-roll)];
  };
  const [left, right, tip] = [turn(0), turn(16), turn(30)];
  const sideways = (2 * (tip[0] - left[0])) / (right[0] - left[0] || 1) - 1;
  const eyes = (turn(36)[1] + turn(45)[1]) / 2;
  const lips = (turn(48)[1] + turn(54)[1]) / 2;
  const down = (tip[1] - eyes) / (lips - eyes || 1) - 0.6;
  const angle = (value) => degrees(Math.asin(Math.max(-1, Math.min(1, value))));
  return { yaw: angle(sideways), pitch: angle(down * 1.6), roll: degrees(roll) };
}

// The values of the timeline for one face of a frame.
export function measure(face) {
  if (face.landmarks.length !== 136) return { confidence: face.score };
  const pose = face.pose ?? anglesFromPoints(face);
  const given = face.expression;
  return {
    mouth: given ? given.mouth_opening : mouth(face),
    eyes: given ? (given.eye_opening_left + given.eye_opening_right) / 2 : (eye(face, 36) + eye(face, 42)) / 2,
    yaw: pose.yaw ?? null,
    pitch: pose.pitch ?? null,
    roll: pose.roll ?? null,
    confidence: face.score,
  };
}
